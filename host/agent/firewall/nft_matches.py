"""Judges whether the matches of nftables' rules apply to a new connection, as `nft -j list ruleset` prints them.

Each answer is True, False, or None for a match that this program does not know, or that applies to a part only.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from agent.ranges import Network

_TCP = 6
_OTHER_PROTOCOLS = ("udp", "icmp", "icmpv6", "sctp", "dccp")
_NAMES = {443: "https", 80: "http"}


class Packet(NamedTuple):
    """A new TCP connection from any address of a network to a port of the host."""

    network: Network
    interface: str
    port: int


def fields(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def matches(left: Any, values: Sequence[Any], packet: Packet) -> bool | None:
    """Whether the left side of a match, such as `tcp dport`, has one of these values."""
    payload, meta, state = (fields(fields(left).get(kind)) for kind in ("payload", "meta", "ct"))
    if meta:
        return _matches_meta(meta.get("key"), values, packet)
    if state:
        return "new" in values if state.get("key") == "state" else None
    return _matches_header(payload.get("protocol"), payload.get("field"), values, packet)


def element(value: Any) -> Any:
    """An element of a set, which may have a timeout or a comment of its own."""
    return fields(fields(value).get("elem")).get("val", value)


def _matches_header(protocol: Any, field: Any, values: Sequence[Any], packet: Packet) -> bool | None:
    if protocol in _OTHER_PROTOCOLS:
        return False
    if field == "dport":
        return any(_has_port(value, packet.port) for value in values)
    if field == "saddr":
        covered = [_covers(value, packet.network) for value in values]
        return True if True in covered else None if None in covered else False
    if field in ("protocol", "nexthdr"):
        return "tcp" in values or _TCP in values
    return None


def _matches_meta(key: Any, values: Sequence[Any], packet: Packet) -> bool | None:
    if key == "l4proto":
        return "tcp" in values or _TCP in values
    if key in ("iifname", "iif"):
        return any(_is_interface(str(value), packet.interface) for value in values)
    if key in ("nfproto", "protocol"):
        own = ("ipv4", "ip") if packet.network.version == 4 else ("ipv6", "ip6")
        return any(name in values for name in own)
    return None


def _is_interface(value: str, interface: str) -> bool:
    return value == interface or (value.endswith("*") and interface.startswith(value[:-1]))


def _has_port(value: Any, port: int) -> bool:
    bounds: list[int] = fields(value).get("range", [])
    return bounds[0] <= port <= bounds[1] if bounds else value in (port, _NAMES.get(port, port))


def _covers(value: Any, network: Network) -> bool | None:
    """Whether a value has all of a network; None if it has a part."""
    prefix, bounds = fields(fields(value).get("prefix")), fields(value).get("range")
    try:
        if prefix:
            other = ipaddress.ip_network(f"{prefix['addr']}/{prefix['len']}", strict=False)
            low, high = other[0], other[-1]
        else:
            low, high = (ipaddress.ip_address(str(one)) for one in bounds or (value, value))
    except (ValueError, KeyError):
        return None
    if low.version != network.version or int(high) < int(network[0]) or int(low) > int(network[-1]):
        return False
    return True if int(low) <= int(network[0]) and int(high) >= int(network[-1]) else None
