"""The host's own addresses."""

import functools
import ipaddress
import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from agent.system import run

# How the names of interfaces begin behind which a container engine's or a hypervisor's networks lie.
INSIDE = ("docker", "br-", "podman", "cni", "veth", "virbr", "lxdbr", "incusbr")

# From linux/route.h
_RTF_REJECT = 0x0200


class Own(NamedTuple):
    """An address of one of the host's interfaces."""

    address: str
    interface: str
    # Whether others beyond the link can use it: neither loopback nor link-local
    is_global: bool
    # Whether it stays: no privacy address, and none that is being replaced
    is_lasting: bool

    @property
    def version(self) -> int:
        """Its IP version."""
        return ipaddress.ip_address(self.address).version


@functools.cache
def own_addresses() -> list[Own]:
    """The addresses of all interfaces, read once per step."""
    shown = run(["ip", "-j", "address", "show"]).stdout
    return [
        Own(
            address["local"],
            interface["ifname"],
            address.get("scope") == "global",
            not address.get("temporary") and not address.get("deprecated"),
        )
        for interface in json.loads(shown)
        for address in interface.get("addr_info", [])
        # For an address of another scope `ip` prints an empty object.
        if "local" in address
    ]


@functools.cache
def outside_interfaces() -> set[str]:
    """The interfaces that lead to the internet, read once per step."""
    ipv4 = [line.split() for line in _lines("/proc/net/route")[1:]]
    ipv6 = [line.split() for line in _lines("/proc/net/ipv6_route")]
    # Destination and prefix or mask, flags, interface.
    routes = [(row[1], row[7], row[3], row[0]) for row in ipv4] + [(row[0], row[1], row[8], row[9]) for row in ipv6]
    return {
        interface
        for destination, size, flags, interface in routes
        # The kernel has default routes of its own, which reject what has no other one.
        if int(destination, 16) == int(size, 16) == 0 and not int(flags, 16) & _RTF_REJECT
    }


class Route(NamedTuple):
    """Where packets come in that this network's addresses send."""

    interface: str
    # In CIDR form; everything for a default route
    network: str

    @property
    def version(self) -> int:
        """Its IP version."""
        return ipaddress.ip_network(self.network).version


@functools.cache
def routes() -> list[Route]:
    """The routes to others, of every routing table, without those within a link."""
    found: list[Route] = []
    for version, anywhere in ((4, "0.0.0.0/0"), (6, "::/0")):
        shown = run(["ip", "-j", f"-{version}", "route", "show", "table", "all"], check=False).stdout
        # Those of another type, such as the host's own addresses, lead to nobody.
        for route in (one for one in json.loads(shown or "[]") if one.get("type", "unicast") == "unicast"):
            named = route.get("dst", "default")
            network = ipaddress.ip_network(anywhere if named == "default" else named)
            if not network.is_link_local:
                devices = [way.get("dev", "lo") for way in (route, *route.get("nexthops", []))]
                found += [Route(device, str(network)) for device in devices if device != "lo"]
    return list(dict.fromkeys(found))


def _lines(path: str) -> list[str]:
    """The lines of a file; none if the kernel has no such IP version."""
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def outside_addresses(interfaces: Collection[str]) -> list[str]:
    """The host's permanent addresses on these interfaces."""
    return [own.address for own in own_addresses() if own.interface in interfaces and own.is_global and own.is_lasting]


def is_own(address: str) -> bool:
    """Whether an address is the host itself: any of loopback, the unspecified one, and each of its interfaces."""
    parsed = ipaddress.ip_address(address)
    bare = (parsed.ipv4_mapped if parsed.version == 6 else None) or parsed
    return bare.is_loopback or bare.is_unspecified or str(bare) in {own.address for own in own_addresses()}
