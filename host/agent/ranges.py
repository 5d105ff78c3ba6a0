"""Validates Cloudflare's address ranges before anything on the host relies on them."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.errors import HostError, RefusedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Cloudflare's own widest ranges are /13 and /29; anything much wider would open the host. All its ranges together have
# less than a tenth of the addresses of one that is as wide as this, and no list may have more than that.
WIDEST = {4: 8, 6: 20}
BITS = {4: 32, 6: 128}

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

# Where a home network can be: RFC 1918, RFC 4193, and RFC 6598, which VPNs such as Tailscale use. settings/network.ts
# has the same blocks.
HOMES = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]


class Ranges(NamedTuple):
    """Checked ranges in CIDR form, sorted."""

    ipv4: list[str]
    ipv6: list[str]


def check_ranges(ranges: Sequence[str], version: int) -> list[str]:
    """The ranges of one IP version in canonical form, sorted and without duplicates.

    Raises RefusedError for an empty list, for one with more addresses than Cloudflare can have, and for an entry that
    is malformed, of the other version, too wide, or overlaps space that is not on the internet.
    """
    if not ranges:
        raise RefusedError(f"the list of IPv{version} ranges is empty")
    networks = {parse_network(text.strip(), version) for text in ranges}
    whole = 1 << BITS[version]
    size = _size([str(network) for network in networks])
    if size > whole >> WIDEST[version]:
        raise RefusedError(
            f"the {len(networks)} IPv{version} ranges have {100 * size / whole:.2g} % of all addresses, far more than "
            "Cloudflare has"
        )
    return [str(network) for network in sorted(networks, key=lambda net: (int(net.network_address), net.prefixlen))]


def check_update(ranges: Ranges, former: Ranges | None) -> Ranges:
    """Validates new ranges against the former ones.

    Raises HostError if a list shrinks to half of its ranges or less, or grows to the double of its addresses or more:
    what is missing shuts visitors out, and what is too wide lets strangers in.
    """
    for name, new, old in (
        ("IPv4", ranges.ipv4, [] if former is None else former.ipv4),
        ("IPv6", ranges.ipv6, [] if former is None else former.ipv6),
    ):
        if old and (2 * len(new) <= len(old) or _size(new) >= 2 * _size(old)):
            share = 100 * _size(new) / _size(old)
            raise HostError(
                f"the new list has {len(new)} {name} ranges instead of {len(old)}, with {share:.3g} % of their "
                "addresses, which is not plausible; the former ones stay in force; if it is right, run `pulumi up`"
            )
    return Ranges(check_ranges(ranges.ipv4, 4), check_ranges(ranges.ipv6, 6))


def _size(ranges: Sequence[str]) -> int:
    """The number of addresses in valid ranges."""
    return sum(ipaddress.ip_network(text).num_addresses for text in ranges)


def parse_network(text: str, version: int) -> Network:
    """Parses one range; raises RefusedError unless it is well-formed, public and not too wide."""
    network = _parse(text)
    if network.version != version:
        raise RefusedError(f"{text} is no IPv{version} range")
    if network.prefixlen < WIDEST[version]:
        raise RefusedError(f"{text} is wider than /{WIDEST[version]}")
    block = next((block for block in OFF_THE_INTERNET if block.version == version and network.overlaps(block)), None)
    if block is not None:
        raise RefusedError(f"{text} overlaps {block}, which is not on the internet")
    return network


def is_home(network: Network) -> bool:
    """Whether a network is private as a whole."""
    return any(
        block.version == network.version and block.overlaps(network) and block.prefixlen <= network.prefixlen
        for block in HOMES
    )


def parse_home_network(text: str) -> Network:
    """Parses one of homeNetworks; raises RefusedError unless it is well-formed and private."""
    network = _parse(text)
    if not is_home(network):
        raise RefusedError(f"{text} is not in a private network")
    return network


def _parse(text: str) -> Network:
    try:
        if not RANGE.fullmatch(text):
            raise ValueError
        return ipaddress.ip_network(text)
    except ValueError:
        raise RefusedError(f"{text[:60]!r} is no address range") from None
