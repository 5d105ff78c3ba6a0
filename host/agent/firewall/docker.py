"""Finds out whether Docker publishes a site's upstream past the firewall."""

import functools
import ipaddress
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import docker_user, kernel
from agent.firewall.connection import Listener, listeners
from agent.firewall.request import DROP, Serves
from agent.firewall.rules import ANYWHERE
from agent.site import IMMICH, SHARES
from agent.system import is_installed, run

# By what a site serves: the upstream's name, and its service in the official compose file.
UPSTREAMS: Mapping[Serves, tuple[str, str]] = {
    IMMICH: ("Immich", "immich-server"),
    SHARES: ("immich-public-proxy", "immich-public-proxy"),
}


class Publication(NamedTuple):
    """A host port that is forwarded to a container."""

    address: str
    port: int
    container: str

    @property
    def container_port(self) -> int:
        return int(self.container.rpartition(":")[2])

    @property
    def version(self) -> int:
        return ipaddress.ip_network(self.address).version

    @property
    def is_local(self) -> bool:
        return ipaddress.ip_network(self.address).is_loopback


def parse_publications(listing: Sequence[str], version: int) -> list[Publication]:
    """The DNAT rules for TCP in what `iptables -t nat -S`, or ip6tables for version 6, lists."""
    found: list[Publication] = []
    for line in listing:
        words = shlex.split(line)
        options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if words[at - 1] != "!"}
        target = options.get("--to-destination", "")
        port = options.get("--dport", "")
        if options.get("-p") != "tcp" or not port.isdigit() or not target.rpartition(":")[2].isdigit():
            continue
        found.append(Publication(options.get("-d", ANYWHERE[version == 6]), int(port), target))
    return found


@functools.cache
def published_ports() -> list[Publication]:
    """The DNAT rules for TCP in the kernel, of both IP versions, read once per step."""
    found: list[Publication] = []
    for version in (4, 6):
        tool = kernel.TOOL[version]
        if is_installed(tool):
            # A kernel without IPv6, or without NAT for it, publishes nothing that way.
            listing = run([tool, "-w", "10", "-t", "nat", "-S"], check=False).stdout.splitlines()
            found += parse_publications(listing, version)
    return found


class PublicationProblem(NamedTuple):
    """How Docker lets strangers reach a site's upstream past nginx."""

    problem: str
    # What to do on the host, as the first words of a sentence
    remedy: str


def refuse_published(serves: Serves, port: int, dropped: Collection[int]) -> None:
    """Raises RefusedError when Docker lets everyone reach a site's upstream, which never passes ufw's rules.

    A port closed by our DOCKER-USER rule is fine, provided packets traverse that chain.
    """
    found = publication_problem(serves, port, dropped)
    if found is not None:
        raise RefusedError(f"{found.problem}; {found.remedy}; then run `pulumi up` again")
    published = published_ports()
    for version in sorted({item.version for item in published if item.port in dropped and not item.is_local}):
        docker_user.refuse_unhooked(version)


def publication_problem(serves: Serves, port: int, dropped: Collection[int]) -> PublicationProblem | None:
    """How Docker publishes a site's upstream to everyone, or None. Our rules close the `dropped` ports."""
    published = published_ports()
    listening = listeners()
    found = find_exposure(published, listening, port, dropped)
    if found is None:
        return None
    closable = find_exposure(published, listening, port, [port]) is None
    what, service = UPSTREAMS[serves]
    return PublicationProblem(
        f"Docker publishes {what} on port {found.port} to everyone, past the firewall",
        f'write "127.0.0.1:{port}:{found.container_port}" under `ports:` of {service} in docker-compose.yml '
        f"and run `docker compose up -d` there{f', or set dockerPublishedPort to {DROP}' if closable else ''}",
    )


def find_exposure(
    published: Sequence[Publication], listening: Sequence[Listener], upstream_port: int, dropped: Collection[int] = ()
) -> Publication | None:
    """The first publication through which strangers reach the container behind `upstream_port`, or None.

    A rule in DOCKER-USER closes each of the `dropped` ports that Docker forwards by DNAT in iptables. With another
    way of forwarding, such as its nftables backend, that chain does not exist.
    """
    containers = {item.container for item in published if item.port == upstream_port}
    for item in published:
        if item.container in containers and not item.is_local and item.port not in dropped:
            return item
    passed_on = any(item.port == upstream_port and not item.is_local for item in published)
    closed = upstream_port in dropped and passed_on
    for listener in listening:
        proxied = listener.port == upstream_port and "docker-proxy" in listener.programs
        if proxied and listener.is_everywhere and not closed:
            return Publication(ANYWHERE[0], upstream_port, f"container:{upstream_port}")
    return None
