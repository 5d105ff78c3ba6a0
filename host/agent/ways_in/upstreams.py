"""The sites' upstreams as others may name them: by any address of the host, or by the container behind a port."""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.firewall.guard.doors import groups, ways_to
from agent.firewall.guard.publications import published
from agent.firewall.request import Needs
from agent.listeners.addresses import is_own
from agent.nginx.configuration import http_block, servers
from agent.site import ENDPOINT, IMMICH, split_endpoint

HOSTS = Path("/etc/hosts")
# Stands for a part of an address that only a request decides.
ANY = "*"


class Upstream(NamedTuple):
    """What a site passes requests to."""

    # What it serves: "immich", or "shares" for immich-public-proxy
    serves: str
    # `address:port`
    endpoint: str


def upstreams_of(sites: Mapping[str, Needs]) -> list[Upstream]:
    """The upstreams of these sites, as far as they are known."""
    return list(
        dict.fromkeys(
            Upstream(needs.serves or IMMICH, needs.upstream) for needs in sites.values() if needs.upstream is not None
        )
    )


def served_upstreams(dump: str, sites: Mapping[str, Needs]) -> list[Upstream]:
    """The upstreams that our own servers in nginx's configuration have now; `dump` is what `nginx -T` prints."""
    found: dict[Upstream, None] = {}
    for server in servers(http_block(dump)):
        names = [name for one in server.all("server_name") for name in one.arguments]
        needs = sites.get(names[0]) if names else None
        for location in server.all("location") if server.is_ours else ():
            for one in location.all("proxy_pass"):
                endpoint = one.arguments[0].removeprefix("http://").partition("/")[0]
                if ENDPOINT.fullmatch(endpoint):
                    found[Upstream(IMMICH if needs is None else needs.serves or IMMICH, endpoint)] = None
    return list(found)


class Targets:
    """The places that lead to an upstream."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._known: dict[tuple[str, int], Upstream] = {}
        for upstream in upstreams:
            ports, endpoints = ways_to(upstream.endpoint, published(), groups())
            host, port = split_endpoint(upstream.endpoint)
            for place in [*(("", one) for one in ports), *endpoints, (host, port)]:
                self._known.setdefault((_canonical(place[0]), place[1]), upstream)

    def find(self, host: str, port: str) -> Upstream | None:
        """The upstream to which an address or name and a port lead, or None.

        `ANY` for a host or a port matches each: what is unclear counts as leading there. Both together match none,
        because only the answer can tell.
        """
        if host == ANY and port == ANY:
            return None
        names = {_canonical(address) for address in _addresses(host)}
        for (known, number), upstream in self._known.items():
            if (host == ANY or known in names) and port in (ANY, str(number)):
                return upstream
        return None


def _canonical(host: str) -> str:
    """Each address of the host itself becomes the empty text."""
    try:
        return "" if is_own(host) else str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _addresses(host: str) -> list[str]:
    """A name with the addresses that the host's own list gives it; nobody else is asked."""
    bare = host.strip("[]")
    if bare.lower() == "localhost":
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.ip_address(bare))]
    except ValueError:
        lines = HOSTS.read_text(errors="replace").splitlines() if HOSTS.exists() else []
    entries = [line.partition("#")[0].split() for line in lines]
    return [bare, *(entry[0] for entry in entries if bare.lower() in (name.lower() for name in entry[1:]))]
