"""Validates Cloudflare's address ranges before anything on the host relies on them."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.errors import HostError, RefusedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Cloudflare's own widest ranges are /13 and /29; anything much wider would open the host.
WIDEST = {4: 8, 6: 20}

# An address and a prefix length. Python's parser would also accept a netmask, a leading zero and a zone.
RANGE = re.compile(r"[0-9a-fA-F.:]+/(?:0|[1-9][0-9]{0,2})")

# Not on the internet: private, shared, local, multicast and reserved space (the IANA special-purpose registries).
# Listed here because `is_global` differs between Python versions and checks only the two ends of a network.
# settings/network.ts has the same blocks.
OFF_THE_INTERNET = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
        "::/127", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
        "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
]  # fmt: skip


class Ranges(NamedTuple):
    """Checked ranges in CIDR form, sorted."""

    ipv4: list[str]
    ipv6: list[str]


def check_ranges(ranges: Sequence[str], version: int) -> list[str]:
    """The ranges of one IP version in canonical form, sorted and without duplicates.

    Raises HostError for an empty list, and for an entry that is malformed, of the other version, too wide, or
    overlaps space that is not on the internet.
    """
    if not ranges:
        raise RefusedError(f"the list of IPv{version} ranges is empty")
    networks = {parse_network(text.strip(), version) for text in ranges}
    return [str(network) for network in sorted(networks, key=lambda net: (int(net.network_address), net.prefixlen))]


def check_update(ranges: Ranges, former: Ranges | None) -> Ranges:
    """Validates new ranges against the former ones; raises HostError if either list shrinks to half or less."""
    for name, new, old in (
        ("IPv4", ranges.ipv4, [] if former is None else former.ipv4),
        ("IPv6", ranges.ipv6, [] if former is None else former.ipv6),
    ):
        if 2 * len(new) <= len(old):
            raise HostError(
                f"the new list has {len(new)} {name} ranges instead of {len(old)}, which is not plausible; "
                "the former ones stay in force; if it is right, run `pulumi up`"
            )
    return Ranges(check_ranges(ranges.ipv4, 4), check_ranges(ranges.ipv6, 6))


def parse_network(text: str, version: int) -> Network:
    """Parses one range; raises RefusedError unless it is well-formed, public and not too wide."""
    try:
        if not RANGE.fullmatch(text):
            raise ValueError
        network = ipaddress.ip_network(text)
    except ValueError:
        raise RefusedError(f"{text[:60]!r} is no address range") from None
    if network.version != version:
        raise RefusedError(f"{text} is no IPv{version} range")
    if network.prefixlen < WIDEST[version]:
        raise RefusedError(f"{text} is wider than /{WIDEST[version]}")
    block = next((block for block in OFF_THE_INTERNET if block.version == version and network.overlaps(block)), None)
    if block is not None:
        raise RefusedError(f"{text} overlaps {block}, which is not on the internet")
    return network
