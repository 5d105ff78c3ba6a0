"""Finds what receives packets of protocols that have no ports: IPsec, GRE, tunnels, VRRP, OSPF.

ufw's before.rules let in replies to what the host sends, but not what others send first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.display import displayable_name
from agent.listeners.processes import holders
from agent.listeners.sockets import KERNEL, Listener, held_listener
from agent.system import run

# By number, as /etc/protocols and iptables name them. Those of pings, multicast groups and sniffers are not services.
PROTOCOLS = {4: "ipencap", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", 89: "ospf", 112: "vrrp"}

# The kinds of tunnels that `ip -d link` tells: IP version outside, and protocol.
_TUNNELS = {
    "ipip": (4, 4), "sit": (4, 41), "gre": (4, 47), "gretap": (4, 47), "erspan": (4, 47),
    "ip6tnl": (6, 41), "ip6gre": (6, 47), "ip6gretap": (6, 47), "ip6erspan": (6, 47),
}  # fmt: skip
_STATE = re.compile(r"^src (\S+) .*\bproto (esp|ah)\b")
_ANY = {4: "0.0.0.0", 6: "::"}
_RAW = {4: Path("/proc/net/raw"), 6: Path("/proc/net/raw6")}


def portless_listeners() -> list[Listener]:
    """The sockets of programs and the kernel's own tunnels, with port 0."""
    links = run(["ip", "-d", "-j", "link", "show", "up"], check=False).stdout
    # A kernel without IPsec has none.
    states = run(["ip", "-o", "xfrm", "state"], check=False).stdout
    found = [*_raw_sockets(), *parse_tunnels(json.loads(links or "[]")), *parse_states(states)]
    return list(dict.fromkeys(found))


def _raw_sockets() -> list[Listener]:
    sockets = [
        (version, protocol, inode)
        for version, path in _RAW.items()
        if path.exists()
        for protocol, inode in parse_raw(path.read_text())
    ]
    processes = holders(inode for *_, inode in sockets)
    return [held_listener(_ANY[version], 0, protocol, processes.get(inode, [])) for version, protocol, inode in sockets]


def parse_raw(text: str) -> list[tuple[str, int]]:
    """The protocol and the inode of each raw socket in /proc/net/raw, which has the protocol in the port's place."""
    rows = [line.split() for line in text.splitlines()[1:]]
    numbers = [(int(row[1].rpartition(":")[2], 16), int(row[9])) for row in rows]
    return [(PROTOCOLS[number], inode) for number, inode in numbers if number in PROTOCOLS]


def parse_tunnels(links: Sequence[Mapping[str, Any]]) -> list[Listener]:
    """The kernel's tunnels in what `ip -d -j link` prints."""
    found: list[Listener] = []
    for link in links:
        kind = _TUNNELS.get(link.get("linkinfo", {}).get("info_kind", ""))
        if kind is not None:
            version, number = kind
            holder = f"{KERNEL}'s tunnel {displayable_name(link['ifname'])}"
            found.append(Listener(_ANY[version], 0, (holder,), PROTOCOLS[number]))
    return found


def parse_states(text: str) -> list[Listener]:
    """IPsec's states in what `ip -o xfrm state` prints, but for those that travel in UDP, whose port has a socket."""
    lines = [line for line in text.splitlines() if " type espinudp" not in line]
    matches = [match for line in lines if (match := _STATE.match(line))]
    return [Listener(_ANY[6 if ":" in one[1] else 4], 0, (f"{KERNEL}'s IPsec",), one[2]) for one in matches]
