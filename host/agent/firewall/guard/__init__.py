"""The guard: our own nftables table, which closes the sites' upstreams to all but this host and who may reach them.

Docker, ufw and other programs each flush and fill their own tables. No other program changes this one, and a drop in it
is final, whatever a chain of another table accepts. It only closes, so it is loaded before the firewall step opens
anything, and at boot before the network.
"""
