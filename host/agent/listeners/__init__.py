"""What listens on the host, and what its container engines publish.

`sockets.listeners` has the kernel's sockets that wait for TCP connections or UDP packets, each with its program,
systemd unit and container. `publications.published_ports` has the ports that a container engine, or anyone's DNAT
rule, passes on.
"""
