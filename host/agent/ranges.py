"""Checks Cloudflare's address ranges before anything on the host relies on them."""

import ipaddress
from collections.abc import Sequence

from agent.errors import HostError

# Cloudflare's own widest ranges are /13 and /29; anything much wider would open the host.
WIDEST = {4: 8, 6: 20}


def checked_ranges(ranges: Sequence[str], version: int) -> list[str]:
    """The ranges of one IP version in canonical form, sorted and without duplicates.

    Raises HostError for an empty list, and for an entry that is malformed, of the other version, too wide, or not on
    the internet.
    """
    if not ranges:
        raise HostError(f"the list of IPv{version} ranges is empty; nothing has been changed")
    networks = {_network(text.strip(), version) for text in ranges}
    return [str(network) for network in sorted(networks, key=lambda net: (int(net.network_address), net.prefixlen))]


def _network(text: str, version: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise HostError(f"{text!r} is no address range; nothing has been changed") from None
    if network.version != version:
        raise HostError(f"{text} is no IPv{version} range; nothing has been changed")
    if network.prefixlen < WIDEST[version]:
        raise HostError(f"{text} is wider than /{WIDEST[version]}; nothing has been changed")
    if not network.is_global or network.is_multicast:
        raise HostError(f"{text} is not on the internet; nothing has been changed")
    return network
