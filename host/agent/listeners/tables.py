"""Lists the kernel's packet filter, whichever program has filled it: iptables in both of its forms, and nftables."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.system import is_installed, run

TOOLS = {4: "iptables", 6: "ip6tables"}
# The tables that the legacy form of iptables has filled; reading the tables themselves would create them.
LEGACY_TABLES = {4: Path("/proc/net/ip_tables_names"), 6: Path("/proc/net/ip6_tables_names")}


def rule_listings(table: str) -> list[tuple[int, list[str]]]:
    """The rules of a table as `iptables -S` lists them, with the IP version; of each form that has the table."""
    return [(version, rules) for version, _, rules in tool_listings(table)]


@functools.cache
def tool_listings(table: str) -> list[tuple[int, str, list[str]]]:
    """The same with the program that lists and deletes the rules. Read once per step."""
    found: list[tuple[int, str, list[str]]] = []
    for version, tool in TOOLS.items():
        if not is_installed(tool):
            continue
        for program in (tool, *_other_form(tool, version, table)):
            # A kernel without IPv6, or without this table, has no rules there.
            listing = run([program, "-w", "10", "-t", table, "-S"], check=False).stdout.splitlines()
            if listing:
                found.append((version, program, listing))
    return found


@functools.cache
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


def _other_form(tool: str, version: int, table: str) -> list[str]:
    """The program for the form of iptables that `tool` is not, if that one has the table too."""
    if "nf_tables" in _version(tool):
        legacy = f"{tool}-legacy"
        names = LEGACY_TABLES[version]
        filled = names.read_text().split() if names.exists() else []
        return [legacy] if table in filled and is_installed(legacy) else []
    return [f"{tool}-nft"] if is_installed(f"{tool}-nft") else []


@functools.cache
def _version(tool: str) -> str:
    return run([tool, "-V"], check=False).stdout
