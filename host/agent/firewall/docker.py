"""Finds out whether Docker publishes Immich past the firewall."""

import ipaddress
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from agent.errors import HostError
from agent.firewall.connection import Listener, listeners
from agent.system import installed, run


class Publication(NamedTuple):
    """A port of the host that is passed on to a container."""

    address: str
    port: int
    container: str

    @property
    def container_port(self) -> int:
        return int(self.container.rpartition(":")[2])

    @property
    def only_local(self) -> bool:
        return ipaddress.ip_network(self.address).is_loopback


def publications(listing: Sequence[str]) -> list[Publication]:
    """The DNAT rules for TCP in what `iptables -t nat -S` or `ip6tables -t nat -S` lists."""
    found: list[Publication] = []
    for line in listing:
        words = shlex.split(line)
        options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if words[at - 1] != "!"}
        target = options.get("--to-destination", "")
        port = options.get("--dport", "")
        if options.get("-p") != "tcp" or not port.isdigit() or not target.rpartition(":")[2].isdigit():
            continue
        everything = "::/0" if line.count(":") > 1 else "0.0.0.0/0"
        found.append(Publication(options.get("-d", everything), int(port), target))
    return found


def refuse_published(immich_port: int | None) -> None:
    """Raises HostError when Docker lets the world reach Immich: what it publishes never passes ufw's rules."""
    if immich_port is None:
        return
    listing: list[str] = []
    for tool in ("iptables", "ip6tables"):
        if installed(tool):
            # A kernel without IPv6, or without NAT for it, publishes nothing that way.
            listing += run([tool, "-w", "10", "-t", "nat", "-S"], check=False).stdout.splitlines()
    found = exposed(publications(listing), listeners(), immich_port)
    if found is not None:
        raise HostError(
            f"Docker publishes Immich on port {found.port} to everyone, past the firewall; write "
            f'"127.0.0.1:{immich_port}:{found.container_port}" under `ports:` of immich-server in docker-compose.yml, '
            "run `docker compose up -d` there and `pulumi up` again; nothing has been changed"
        )


def exposed(published: Sequence[Publication], listening: Sequence[Listener], immich_port: int) -> Publication | None:
    """The first way on which Docker hands strangers to the container behind `immich_port`, if there is one."""
    containers = {item.container for item in published if item.port == immich_port}
    for item in published:
        if item.container in containers and not item.only_local:
            return item
    for listener in listening:
        wide = listener.address == "*" or ipaddress.ip_address(listener.address).is_unspecified
        if wide and listener.port == immich_port and "docker-proxy" in listener.programs:
            return Publication("0.0.0.0/0", immich_port, f"container:{immich_port}")
    return None
