"""Computes ufw's files."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import kernel
from agent.firewall.bypass import refuse_bypasses
from agent.firewall.connection import listeners, this_connection
from agent.firewall.record import read_change
from agent.firewall.rules import CLOUDFLARE, HTTPS_PORT, SSH, Rule, arrange_rules, check_rules, find_decisive_rule
from agent.firewall.ufw import (
    CONFIGURATION,
    DEFAULTS,
    USER_RULES,
    Files,
    Setting,
    Ufw,
    current,
    ufw_on_copy,
    value,
)
from agent.ranges import Ranges
from agent.system import run


class Plan(NamedTuple):
    """ufw's files as they are and as they should be."""

    former: Files
    wanted: Files
    # The IP versions that ufw filters.
    versions: list[int]


def ssh_ports(asked: int, others: Collection[int] = ()) -> list[int]:
    """The ports on which SSH must stay open: this connection's, and the `asked` one if something listens there.

    `asked` is the port that the client dials. A router may forward it to another port of the host, which only the
    connection shows. `others` are the SSH ports of the host's other sites; they count if something listens there.
    Raises HostError when nothing listens on this connection's port or on `asked`.
    """
    listening = {listener.port for listener in listeners()}
    connection = this_connection()
    ports = {asked, asked if connection is None else connection.port} & listening
    if not ports:
        raise RefusedError(
            f"nothing listens on port {asked} of this host, so enabling the firewall would lock you out; "
            "set sshPort to the port of sshd"
        )
    return sorted(ports | {*others} & listening)


def open_ssh_ports() -> set[int]:
    """The ports on which sshd listens, and those that the last change kept open."""
    sshd = {listener.port for listener in listeners() if '"sshd"' in listener.programs}
    return sshd | set(read_change().ssh_ports)


def plan_firewall(ranges: Ranges, ports: Collection[int], closed: Collection[int]) -> Plan:
    """ufw's files with ufw enabled, incoming traffic denied by default, and SSH and the ranges allowed.

    Raises HostError when other rules would open one of the `closed` ports or block SSH.
    """
    former = _require_complete(current())
    settings = [Setting(CONFIGURATION, "ENABLED", "yes")] if value(former, CONFIGURATION, "ENABLED") != "yes" else []
    if kernel.has_ipv6() and value(former, DEFAULTS, "IPV6") != "yes":
        settings.append(Setting(DEFAULTS, "IPV6", "yes"))
    if value(former, DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept":
        settings.append(Setting(DEFAULTS, "DEFAULT_INPUT_POLICY", '"DROP"'))
    outside = outside_interfaces()
    connection = this_connection()
    client = None if connection is None else connection.client
    refuse_bypasses(kernel.versions(), ports, closed, outside)

    def choose(ufw: Ufw, version: int, existing: Sequence[Rule]) -> list[Rule]:
        wanted = [*_ssh_rules(ufw, version, ports, existing), *_range_rules(ufw, version, ranges)]
        rules = arrange_rules(existing, wanted)
        check_rules(rules, ports, closed, outside, client)
        return rules

    return _plan(former, settings, choose)


def plan_ranges(ranges: Ranges | None) -> Plan:
    """ufw's files with these ranges, or none, in place of the former ones; all else stays."""

    def choose(ufw: Ufw, version: int, existing: Sequence[Rule]) -> list[Rule]:
        kept = [rule for rule in existing if rule.comment == SSH]
        return arrange_rules(existing, kept if ranges is None else [*kept, *_range_rules(ufw, version, ranges)])

    return _plan(_require_complete(current()), [], choose)


def _plan(former: Files, settings: Sequence[Setting], choose: Callable[[Ufw, int, Sequence[Rule]], list[Rule]]) -> Plan:
    with ufw_on_copy(settings) as ufw:
        versions = ufw.versions()
        for version in versions:
            existing = ufw.rules(version)
            rules = choose(ufw, version, existing)
            # The files also hold the logging rules, which depend on the default policy.
            if rules != existing or any(setting.path == DEFAULTS for setting in settings):
                ufw.set_rules(version, rules)
        wanted = ufw.files()
    for path in USER_RULES.values():
        if _foreign_rules(former, path) != _foreign_rules(wanted, path):
            raise RefusedError(
                f"ufw itself would change rules in {path} that are not ours, as the next `ufw allow` would; "
                "compare `ufw status` with that file"
            )
    return Plan(former, wanted, versions)


def _ssh_rules(ufw: Ufw, version: int, ports: Collection[int], existing: Sequence[Rule]) -> list[Rule]:
    """Our SSH rules. None is added where the user's own rule allows everyone."""
    wanted: list[Rule] = []
    for port in sorted(ports):
        rule = ufw.rule(version, port, "0.0.0.0/0", SSH)
        other = find_decisive_rule([rule for rule in existing if not rule.is_ours], port)
        if rule in existing or other is None or not other.lets_in:
            wanted.append(rule)
    return wanted


def _range_rules(ufw: Ufw, version: int, ranges: Ranges) -> list[Rule]:
    sources = ranges.ipv4 if version == 4 else ranges.ipv6
    return [ufw.rule(version, HTTPS_PORT, source, CLOUDFLARE) for source in sources]


def _require_complete(files: Files) -> Files:
    absent = [str(path) for path, file in files.items() if file is None]
    if absent:
        raise RefusedError(
            f"{absent[0]} is missing, so ufw cannot work; run `apt-get install --reinstall ufw` on the host"
        )
    return files


def _foreign_rules(files: Files, path: Path) -> list[str]:
    """The rules of a file that are not ours, as text."""
    file = files[path]
    text = "" if file is None else file.content.decode(errors="surrogateescape")
    ours = tuple(f" comment={comment.encode().hex()}" for comment in (CLOUDFLARE, SSH))
    rules = re.findall(r"^### tuple ###.*\n(?:-A .*\n)*", text, re.MULTILINE)
    return [rule for rule in rules if not rule.partition("\n")[0].endswith(ours)]


def outside_interfaces() -> set[str]:
    """The interfaces that lead to the internet."""
    routes = [
        line.split()
        for family in ("-4", "-6")
        for line in run(["ip", family, "-o", "route", "show", "default"], check=False).stdout.splitlines()
    ]
    return {words[words.index("dev") + 1] for words in routes if "dev" in words}
