"""The host's firewall: only SSH, and Cloudflare on the sites' ports.

ufw stays in charge. Its own classes compute its files on a copy of its folder (`plan`); the files are then replaced
atomically, and the kernel gets each family's rules in one transaction (`kernel`). `ufw reload` is never used: it opens
every port for about a second. Changes are commit confirmed: a change is rolled back unless a new SSH connection
confirms it (`confirmation`).
"""
