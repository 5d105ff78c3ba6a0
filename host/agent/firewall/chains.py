"""Parses iptables rules, and finds out whether a chain lets strangers in."""

import contextlib
import functools
import ipaddress
import re
import shlex
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.firewall.rules import ANYWHERE, Rule, Visit
from agent.listeners.portless import PROTOCOLS

# Match extensions that restrict nobody, and those that only limit the rate. Any other extension narrows the rule.
TRANSPARENT = {"tcp", "udp", "multiport", "comment", "conntrack", "state"}
LIMITING = {"limit", "hashlimit", "connlimit"}
# Routing headers of IPv6, which ufw's own before6.rules drop: no client of SSH sends any.
SELDOM = {"rt"}

# Long names of options, which iptables never prints but administrators write.
SHORT = {
    "--append": "-A", "--insert": "-I", "--protocol": "-p", "--source": "-s", "--src": "-s", "--destination": "-d",
    "--dst": "-d", "--in-interface": "-i", "--match": "-m", "--jump": "-j", "--goto": "-j", "-g": "-j",
    "--destination-port": "--dport", "--destination-ports": "--dport", "--dports": "--dport", "--ports": "--dport",
    "--source-port": "--sport", "--source-ports": "--sport", "--sports": "--sport",
}  # fmt: skip

# Other forms of a protocol.
NAMES = {"all": "any", "0": "any", "6": "tcp", "17": "udp", **{str(one): name for one, name in PROTOCOLS.items()}}

# Lines without these characters are split at spaces, which is far faster than shlex.
QUOTING = re.compile(r"""["'\\#]""")


class Entry(NamedTuple):
    """One rule of a chain."""

    chain: str
    target: str
    # What it matches, as far as ufw's terms can express it.
    rule: Rule
    # Its other matches.
    others: frozenset[str]
    # Its file and line, for messages.
    place: str


def parse_entries(lines: Sequence[str], tool: str, place: str = "") -> list[Entry]:
    """Parses the output of `iptables -S`, or a file for iptables-restore.

    Reads only the table `filter` of a file.
    """
    found: list[Entry] = []
    table = "*filter"
    for number, line in enumerate(lines, 1):
        if line.startswith("*"):
            table = line.strip()
        elif table == "*filter" and line.startswith(("-A ", "-I ", "--append ", "--insert ")):
            # Skip lines that iptables would reject, such as one with an invalid port or source.
            with contextlib.suppress(ValueError, OSError):
                found += _read(line.strip(), tool, f"line {number} of {place}, `{line.strip()}`,")
    return found


def find_opening(
    chains: Mapping[str, Sequence[Entry]], starts: Sequence[str], port: int, outside: Collection[str]
) -> Entry | None:
    """The first rule that accepts a stranger's new connection to a port, in the chains that it traverses.

    Deny rules are ignored (conservative): an ACCEPT behind a DROP is still reported.
    """
    waiting = list(starts)
    for chain in waiting:
        for entry in chains.get(chain, ()):
            met = entry.rule.matches_port(port) and entry.rule.reaches_strangers(outside)
            if not met or entry.others - LIMITING:
                continue
            if entry.target == "ACCEPT":
                return entry
            if entry.target not in waiting:
                waiting.append(entry.target)
    return None


def find_verdict(chain: Sequence[Entry], visit: Visit) -> Entry | None:
    """The first rule of a chain that accepts or denies a connection and its like, whatever else they are.

    None if there is none, or if a rule that denies only some of them comes before one that accepts them all. Jumps are
    not followed.
    """
    denies_some = False
    for entry in chain:
        if entry.target not in ("ACCEPT", "DROP", "REJECT") or not entry.rule.matches(visit):
            continue
        if not entry.others:
            return None if denies_some and entry.target == "ACCEPT" else entry
        denies_some = denies_some or (entry.target != "ACCEPT" and not entry.others <= SELDOM)
    return None


def find_acceptance(chains: Mapping[str, Sequence[Entry]], start: str, visit: Visit) -> Entry | None:
    """The first rule in the chains behind this one that accepts a connection, perhaps at a limited rate.

    What denies it there, or narrows a jump to them, is not considered.
    """
    waiting = [start]
    for chain in waiting:
        for entry in chains.get(chain, ()):
            if not entry.rule.matches(visit):
                continue
            if entry.target == "ACCEPT" and chain != start and not entry.others - LIMITING:
                return entry
            if entry.target in chains and entry.target not in waiting:
                waiting.append(entry.target)
    return None


def by_chain(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The rules of each chain, in order."""
    chains: dict[str, list[Entry]] = {}
    for entry in found:
        chains.setdefault(entry.chain, []).append(entry)
    return chains


@functools.cache
def _read(line: str, tool: str, place: str) -> list[Entry]:
    """The rule on a line, once for each source and destination; raises ValueError or OSError for an invalid rule."""
    words = [SHORT.get(word, word) for word in (shlex.split(line) if QUOTING.search(line) else line.split())]
    options = {word: words[at + 1] for at, word in enumerate(words[:-1])}
    others = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "-m"} - TRANSPARENT
    # Every conntrack option but --ctstate restricts who matches.
    others |= {word for word in words if word == "!" or (word.startswith("--ct") and word != "--ctstate")}
    if "NEW" not in options.get("--ctstate", options.get("--state", "NEW")):
        return []
    anywhere = ANYWHERE[tool.startswith("ip6tables")]
    protocol = NAMES.get(options.get("-p", "any"), options.get("-p", "any"))
    rule = Rule(
        action="allow",
        protocol=protocol,
        ports=_ports(options["--dport"], protocol) if protocol in ("tcp", "udp") and "--dport" in options else "any",
        source=anywhere,
        destination=anywhere,
        source_ports=options.get("--sport", "any"),
        interface=options.get("-i", ""),
        incoming=True,
        comment="",
        name=f"{tool} -D {shlex.join(shlex.split(line)[1:])}",
    )
    chain, target = options.get("-A", options.get("-I", "")), options.get("-j", "")
    return [
        Entry(chain, target, rule._replace(source=source, destination=destination), frozenset(others), place)
        for source in _networks(options.get("-s", anywhere))
        for destination in _networks(options.get("-d", anywhere))
    ]


def _networks(text: str) -> list[str]:
    return [str(ipaddress.ip_network(part, strict=False)) for part in text.split(",")]


def _ports(text: str, protocol: str) -> str:
    """Ports in the form "22,6000:6007", with names and open ranges resolved."""
    parts = [part.split(":") for part in text.split(",")]
    return ",".join(":".join(str(_number(end, at, protocol)) for at, end in enumerate(part)) for part in parts)


def _number(text: str, at: int, protocol: str) -> int:
    if text == "":
        return 65535 if at else 0
    return int(text) if text.isdigit() else socket.getservbyname(text, protocol)
