"""Computes ufw's files."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import kernel
from agent.firewall.bypass import refuse_bypasses
from agent.firewall.openings import Opening
from agent.firewall.rules import CLOUDFLARE, HOME, KEPT, OURS, SSH, Rule, arrange_rules, check_rules
from agent.firewall.ssh_access import Rules, SshAccess, SshNetworks, SshPorts
from agent.firewall.ssh_ways import names_of
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
from agent.listeners.addresses import outside_interfaces
from agent.ranges import Network, Ranges

# The networks that may use a port of the host
Home = Collection[tuple[Network, int]]


class SshEntrance(NamedTuple):
    """How SSH gets in."""

    ports: Sequence[int] = ()
    # The networks that our own rules let in; empty if the owner's rules do
    networks: Sequence[str] = ()
    # The owner's rule of `ufw limit` by which this connection came, as ufw names it; empty if there is none
    limit: str = ""
    # Whom the change shuts out though they reach SSH until then, where the step's own connection cannot prove a way in
    shut_out: Sequence[str] = ()


class Plan(NamedTuple):
    """ufw's files as they are and as they should be."""

    former: Files
    wanted: Files
    # The IP versions that ufw filters.
    versions: list[int]
    ssh: SshEntrance = SshEntrance()


def plan_firewall(
    ranges: Ranges,
    ports: SshPorts,
    networks: SshNetworks,
    *,
    served: Collection[int],
    kept: Sequence[Opening],
    closed: Collection[int],
    home: Home,
) -> Plan:
    """ufw's files with ufw enabled and incoming traffic denied by default but for SSH, `home`, `kept`, and the ranges
    at the `served` ports.

    Raises RefusedError when other rules would open one of the `closed` ports or block SSH.
    """
    former = _require_complete(current())
    settings: list[Setting] = []
    if value(former, CONFIGURATION, "ENABLED") != "yes":
        settings.append(Setting(CONFIGURATION, "ENABLED", "yes"))
        if kernel.forwards() and value(former, DEFAULTS, "DEFAULT_FORWARD_POLICY") != "accept":
            # A host that routes for others goes on doing so.
            settings.append(Setting(DEFAULTS, "DEFAULT_FORWARD_POLICY", '"ACCEPT"'))
    if kernel.has_ipv6() and value(former, DEFAULTS, "IPV6") != "yes":
        settings.append(Setting(DEFAULTS, "IPV6", "yes"))
    if value(former, DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept":
        settings.append(Setting(DEFAULTS, "DEFAULT_INPUT_POLICY", '"DROP"'))
    outside = outside_interfaces()
    refuse_bypasses(kernel.versions(), closed, outside)
    kernel.refuse_entangled()
    access = SshAccess(ports, networks, former)
    entrances: list[SshEntrance] = []

    def choose(ufw: Ufw, existing: Rules) -> dict[int, list[Rule]]:
        ssh = access.rules(ufw, existing)
        chosen = {
            version: arrange_rules(
                rules,
                [
                    *ssh[version],
                    *_range_rules(ufw, version, ranges, served),
                    *_home_rules(ufw, version, home, rules),
                    *_kept_rules(ufw, version, kept),
                ],
            )
            for version, rules in existing.items()
        }
        entrance = access.check(chosen)
        sources = dict.fromkeys(rule.source for rules in ssh.values() for rule in rules)
        limit = entrance.name if entrance is not None and entrance.action == "limit" else ""
        entrances.append(SshEntrance(ports.all, list(sources), limit, names_of(access.shut_out)))
        for rules in chosen.values():
            check_rules(rules, closed, outside)
        return chosen

    plan = _plan(former, settings, choose)
    return plan._replace(ssh=entrances[0])


def plan_ranges(ranges: Ranges, served: Collection[int], home: Home, kept: Sequence[Opening]) -> Plan:
    """ufw's files with the `served` ports open to these ranges, and these home networks and openings, in place of the
    former ones; all else stays."""

    def choose(ufw: Ufw, existing: Rules) -> dict[int, list[Rule]]:
        return {
            version: arrange_rules(
                rules,
                [
                    *(rule for rule in rules if rule.comment == SSH),
                    *_range_rules(ufw, version, ranges, served),
                    *_home_rules(ufw, version, home, rules),
                    *_kept_rules(ufw, version, kept),
                ],
            )
            for version, rules in existing.items()
        }

    return _plan(_require_complete(current()), [], choose)


def plan_removal(settings: Sequence[Setting], keep_ssh: bool) -> Plan:
    """ufw's files with these settings and without our rules, except those for SSH if they are to stay."""

    def choose(_ufw: Ufw, existing: Rules) -> dict[int, list[Rule]]:
        return {
            version: [rule for rule in rules if not rule.is_ours or (keep_ssh and rule.comment == SSH)]
            for version, rules in existing.items()
        }

    return _plan(_require_complete(current()), settings, choose)


def _plan(former: Files, settings: Sequence[Setting], choose: Callable[[Ufw, Rules], dict[int, list[Rule]]]) -> Plan:
    with ufw_on_copy(settings) as ufw:
        versions = ufw.versions()
        existing = {version: ufw.rules(version) for version in versions}
        chosen = choose(ufw, existing)
        for version, rules in chosen.items():
            # The files also hold the logging rules, which depend on the default policy.
            if rules != existing[version] or any(setting.path == DEFAULTS for setting in settings):
                ufw.set_rules(version, rules)
        wanted = ufw.files()
    for path in USER_RULES.values():
        if foreign_rules(former, path) != foreign_rules(wanted, path):
            raise RefusedError(
                f"ufw itself would change rules in {path} that are not ours, as the next `ufw allow` would; "
                "compare `ufw status` with that file"
            )
    return Plan(former, wanted, versions)


def _range_rules(ufw: Ufw, version: int, ranges: Ranges, served: Collection[int]) -> list[Rule]:
    sources = ranges.ipv4 if version == 4 else ranges.ipv6
    return [ufw.rule(version, port, source, CLOUDFLARE) for port in sorted(served) for source in sources]


def _home_rules(ufw: Ufw, version: int, home: Home, existing: Sequence[Rule]) -> list[Rule]:
    """Our rules for the home networks. None is added where the user's own rule is the same."""
    ordered = sorted(home, key=lambda one: (one[1], one[0].version, int(one[0].network_address), one[0].prefixlen))
    rules = [ufw.rule(version, port, str(network), HOME) for network, port in ordered if network.version == version]
    theirs = [rule._replace(comment=HOME) for rule in existing if not rule.is_ours]
    return [rule for rule in rules if rule not in theirs]


def _kept_rules(ufw: Ufw, version: int, kept: Sequence[Opening]) -> list[Rule]:
    return [
        ufw.rule(version, opening.ports, source, KEPT, opening.protocol)
        for opening in kept
        for source in opening.sources(version)
    ]


def _require_complete(files: Files) -> Files:
    absent = [str(path) for path, file in files.items() if file is None]
    if absent:
        raise RefusedError(
            f"{absent[0]} is missing, so ufw cannot work; run `apt-get install --reinstall ufw` on the host"
        )
    return files


def foreign_rules(files: Files, path: Path) -> list[str]:
    """The rules of a file that are not ours, as text."""
    file = files[path]
    text = "" if file is None else file.content.decode(errors="surrogateescape")
    ours = tuple(f" comment={comment.encode().hex()}" for comment in OURS)
    rules = re.findall(r"^### tuple ###.*\n(?:-A .*\n)*", text, re.MULTILINE)
    return [rule for rule in rules if not rule.partition("\n")[0].endswith(ours)]
