"""Tells bridges of containers from those with another network behind them."""

import functools
import json
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from agent.firewall.plan import outside_interfaces
from agent.listeners import engines
from agent.system import run

# What container engines call their bridges. The table has these names itself.
USUAL = re.compile(r"docker0|docker_gwbridge|(br-|podman|cni-podman).*")


class Bridges(NamedTuple):
    """The host's bridges that are not what their names say."""

    # With another network behind them: a port that is no veth, or a default route
    outside: list[str]
    # With nothing but containers behind them, under an unusual name
    inside: list[str]


@functools.cache
def find_bridges() -> Bridges:
    """The host's bridges as they are now."""
    links = json.loads(run(["ip", "-j", "-d", "link", "show"]).stdout)
    return sort_bridges(links, outside_interfaces(), engines.bridges())


def sort_bridges(links: Sequence[dict[str, Any]], default_routes: Collection[str], dockers: Collection[str]) -> Bridges:
    """Sorts the bridges among `links`, as `ip -j -d link show` lists them.

    A bridge without ports counts as inside only if it is one of `dockers`, Docker's own.
    """
    ports: dict[str, list[str]] = {link["ifname"]: [] for link in links if _kind(link) == "bridge"}
    for link in links:
        if link.get("master") in ports:
            ports[link["master"]].append(_kind(link))
    outside = {name for name, kinds in ports.items() if name in default_routes or set(kinds) - {"veth"}}
    inside = {name for name, kinds in ports.items() if kinds or name in dockers} - outside
    return Bridges(sorted(outside), sorted(name for name in inside if not USUAL.fullmatch(name)))


def _kind(link: dict[str, Any]) -> str:
    """The kind of an interface; empty for a physical one."""
    details: dict[str, str] = link.get("linkinfo") or {}
    return details.get("info_kind", "")
