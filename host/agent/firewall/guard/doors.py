"""Finds the doors to the sites' upstreams: ports of the host and addresses of containers that lead to one."""

import functools
import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.firewall.guard.publications import Endpoint, Publication, published
from agent.firewall.request import Needs, served_ports
from agent.listeners import engines
from agent.listeners.addresses import is_own
from agent.ranges import Network
from agent.site import SHARES, split_endpoint

# Immich's own port within its container.
IMMICH_PORT = 2283


class Doors(NamedTuple):
    """What leads to the sites' upstreams."""

    host_ports: set[int]
    # Ports within containers that are closed at every address of a container
    container_ports: set[int]
    endpoints: set[Endpoint]
    # Published ports that lead to other containers with one of `container_ports`
    others: set[int]
    # Networks that may use a port of the host
    home: set[tuple[Network, int]]


def find_doors(sites: Mapping[str, Needs], ssh_ports: Collection[int]) -> Doors:
    """The doors to these sites' upstreams at this moment. The sites' own ports and `ssh_ports` are never
    among the host's ports."""
    return doors_of(sites.values(), published(), groups(), {*served_ports(sites.values()), *ssh_ports})


def doors_of(
    sites: Collection[Needs],
    published: Sequence[Publication],
    groups: Sequence[Collection[str]],
    never: Collection[int],
) -> Doors:
    """The same, from what was found on the host. Addresses of one of the `groups` are one container's."""
    doors = Doors(set(), set(), set(), set(), set())
    for needs in sites:
        if needs.upstream is None:
            continue
        ports, endpoints = ways_to(needs.upstream, published, groups)
        ports -= set(never)
        doors.host_ports.update(ports)
        doors.endpoints.update(endpoints)
        if needs.serves != SHARES:
            doors.container_ports.update({IMMICH_PORT}, (endpoint.port for endpoint in endpoints))
        doors.home.update((ipaddress.ip_network(text), port) for text in needs.home_networks for port in ports)
    doors.others.update(
        one.port
        for one in published
        if one.target.port in doors.container_ports
        and one.target not in doors.endpoints
        and one.port not in doors.host_ports
    )
    return doors


def own_port(upstream: str | None) -> int | None:
    """The upstream's port if it is one of this host's own, else None."""
    if upstream is None:
        return None
    host, port = split_endpoint(upstream)
    return port if any(is_own(address) for address in _addresses(host)) or not _addresses(host) else None


def groups() -> list[Sequence[str]]:
    """The addresses of each container, as far as its engine tells."""
    return [container.addresses for container in engines.containers() if container.addresses]


def ways_to(
    upstream: str, published: Sequence[Publication], groups: Sequence[Collection[str]]
) -> tuple[set[int], set[Endpoint]]:
    """The ports of the host and the addresses of containers that lead to an upstream.

    Addresses of one of the `groups` are one container's.
    """
    host, port = split_endpoint(upstream)
    addresses = _addresses(host)
    # A name that cannot be looked up now may be this host's: closing one port more does less harm.
    own = [address for address in addresses if is_own(address)]
    ports = {port} if own or not addresses else set[int]()
    endpoints = {Endpoint(address, port) for address in addresses if address not in own}
    endpoints |= {
        one.target
        for one in published
        if one.port in ports and (one.address is None or any(one.answers_at(address) for address in own))
    }
    while True:
        former = (len(ports), len(endpoints))
        for group in groups:
            within = {endpoint.port for endpoint in endpoints if endpoint.address in group}
            endpoints |= {Endpoint(address, inner) for address in group for inner in within}
        ports |= {one.port for one in published if one.target in endpoints}
        # One published port has a rule for each IP version.
        endpoints |= {one.target for one in published if one.port in ports and one.address is None}
        if (len(ports), len(endpoints)) == former:
            return ports, endpoints


@functools.cache
def _addresses(host: str) -> list[str]:
    """The addresses of a host; none for a name that cannot be looked up."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))
