"""The host's own addresses."""

import functools
import ipaddress
import json
from collections.abc import Collection
from typing import NamedTuple

from agent.system import run


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


def outside_interfaces() -> set[str]:
    """The interfaces that lead to the internet."""
    routes = [
        line.split()
        for family in ("-4", "-6")
        for line in run(["ip", family, "-o", "route", "show", "default"], check=False).stdout.splitlines()
    ]
    return {words[words.index("dev") + 1] for words in routes if "dev" in words}


def outside_addresses(interfaces: Collection[str]) -> list[str]:
    """The host's permanent addresses on these interfaces."""
    return [own.address for own in own_addresses() if own.interface in interfaces and own.is_global and own.is_lasting]


def is_own(address: str) -> bool:
    """Whether an address is the host itself: any of loopback, the unspecified one, and each of its interfaces."""
    parsed = ipaddress.ip_address(address)
    bare = (parsed.ipv4_mapped if parsed.version == 6 else None) or parsed
    return bare.is_loopback or bare.is_unspecified or str(bare) in {own.address for own in own_addresses()}
