"""Finds the private networks that this host is in, which may be home networks."""

import ipaddress
import json
from collections.abc import Sequence
from typing import Any

from agent.errors import RefusedError
from agent.ranges import parse_home_network
from agent.system import run

# Interfaces of containers, virtual machines and tunnels lead to no home.
VIRTUAL = {"bridge", "dummy", "ipip", "macvlan", "sit", "tun", "vxlan", "wireguard"}


def own_networks() -> list[str]:
    """The private networks of the host's interfaces, those of containers and tunnels excepted."""
    shown: list[dict[str, Any]] = json.loads(run(["ip", "-j", "-d", "address", "show", "scope", "global"]).stdout)
    return networks_of(shown)


def networks_of(interfaces: Sequence[dict[str, Any]]) -> list[str]:
    """The same, from what `ip -j -d address show` lists. A bridge counts if a port of it is no container's."""
    masters = {one["master"] for one in interfaces if "master" in one and _kind(one) not in ("veth", "tun")}
    found: list[str] = []
    for interface in interfaces:
        if _kind(interface) in VIRTUAL and interface.get("ifname") not in masters:
            continue
        for address in interface.get("addr_info", []):
            if "local" not in address:
                continue
            network = str(ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False))
            try:
                parse_home_network(network)
            except RefusedError:
                continue
            found.append(network)
    return list(dict.fromkeys(found))


def _kind(interface: dict[str, Any]) -> str:
    """The kind of an interface; empty for a physical one."""
    details: dict[str, str] = interface.get("linkinfo") or {}
    return details.get("info_kind", "")
