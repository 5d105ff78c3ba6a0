"""Lists the kernel's packet filter, whichever program has filled it: iptables in both of its forms, and nftables."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.changes import until_changed
from agent.system import is_installed, run

TOOLS = {4: "iptables", 6: "ip6tables"}
# The tables that the legacy form of iptables has filled. Reading the tables themselves would create them.
LEGACY_TABLES = {4: Path("/proc/net/ip_tables_names"), 6: Path("/proc/net/ip6_tables_names")}

_CHAIN = re.compile(r":(\S+) (\S+) \[")


class Listing(NamedTuple):
    """The tables of one form of iptables for one IP version."""

    version: int
    # The program that lists and deletes the rules, such as ip6tables-legacy
    tool: str
    # Whether the host's ufw uses another form, so that packets pass both
    is_other_form: bool
    # By the table's name: its chains and rules, as `iptables -S` lists them
    tables: Mapping[str, list[str]]


@until_changed
def listings() -> list[Listing]:
    """All of them, read once until this process changes anything."""
    found: list[Listing] = []
    for version, tool in TOOLS.items():
        if is_installed(tool):
            found.append(Listing(version, tool, False, _tables(tool)))
            found += [Listing(version, other, True, _tables(other)) for other in _other_form(tool, version)]
    return found


def rule_listings(table: str) -> list[tuple[int, list[str]]]:
    """The rules of a table with their IP version, of each form that has the table."""
    return [(one.version, one.tables[table]) for one in listings() if table in one.tables]


@until_changed
def nft_ruleset() -> list[dict[str, Any]]:
    """The objects of `nft -j list ruleset`; empty where nft is not installed or fails."""
    if not is_installed("nft"):
        return []
    shown = run(["nft", "-j", "list", "ruleset"], check=False)
    try:
        objects: list[dict[str, Any]] = json.loads(shown.stdout)["nftables"]
    except (ValueError, KeyError, TypeError):
        return []
    return objects


def nft_rules() -> list[Mapping[str, Any]]:
    """nftables' rules, in order. Those of iptables-nft are among them, with statements that nft cannot express."""
    return [one["rule"] for one in nft_ruleset() if "rule" in one]


def parse_save(text: str) -> dict[str, list[str]]:
    """The tables in what `iptables-save` prints, each as `iptables -S` lists it."""
    tables: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("*"):
            lines = tables.setdefault(line[1:].strip(), [])
        elif line.startswith("-A "):
            lines.append(line)
        elif chain := _CHAIN.match(line):
            lines.append(f"-N {chain[1]}" if chain[2] == "-" else f"-P {chain[1]} {chain[2]}")
    return tables


def _tables(tool: str) -> dict[str, list[str]]:
    # A kernel without this IP version has no tables.
    return parse_save(run([f"{tool}-save"], check=False).stdout)


def _is_nft(tool: str) -> bool:
    """Whether a program fills nftables' tables: by the name of its file, or by its own word."""
    name = os.path.realpath(f"/usr/sbin/{tool}").rpartition("/")[2]
    known = {"xtables-nft-multi": True, "xtables-legacy-multi": False}.get(name)
    return "nf_tables" in run([tool, "-V"], check=False).stdout if known is None else known


def _other_form(tool: str, version: int) -> list[str]:
    """The program for the form of iptables that `tool` is not, if that has filled a table."""
    if _is_nft(tool):
        names, other = LEGACY_TABLES[version], f"{tool}-legacy"
        return [other] if is_installed(other) and names.exists() and names.read_text().split() else []
    return [f"{tool}-nft"] if is_installed(f"{tool}-nft") else []
