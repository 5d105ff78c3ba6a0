"""The host's firewall: only SSH, and Cloudflare on port 443.

ufw stays the owner of the firewall. Its own classes work out what its files should be, on a copy of its folder
(`plan`); the files are then replaced as wholes and the kernel gets each family's rules in one transaction (`kernel`).
`ufw reload` is never used: it opens every port for about a second. A change undoes itself unless a new SSH connection
confirms it (`confirmation`).
"""
