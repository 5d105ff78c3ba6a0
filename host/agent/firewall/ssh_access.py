"""Keeps SSH reachable for this connection and its like, and opens it no wider than the host's owner has it.

A rule of ours is added only where nothing of the owner's lets this connection in. Once there, it stays until `sshFrom`
says otherwise: somebody else may have come in by it. Where the connection comes from the host itself, what counts in
its place is who can reach SSH from outside: see agent.firewall.ssh_ways.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import kernel
from agent.firewall.bypass import frame_entries
from agent.firewall.chains import Entry, by_chain, find_verdict as find_entry, parse_entries
from agent.firewall.connection import this_connection
from agent.firewall.rules import ANYWHERE, SSH, STRANGERS, Rule, Visit, find_decisive_rule, find_verdict, remedy
from agent.firewall.ssh_ways import SshWays, Way, networks_of
from agent.firewall.ufw import Files, Ufw
from agent.listeners.sockets import listeners

Rules = Mapping[int, Sequence[Rule]]

_NAME_THEM = (
    "name the networks that may: `pulumi config set --path 'sshFrom[0]' 192.168.1.0/24`, or 0.0.0.0/0 and ::/0 for "
    "everyone; then run `pulumi up` again"
)


class SshPorts(NamedTuple):
    """The ports on which SSH must stay open."""

    # This connection's
    own: list[int]
    # Those of the host's other sites
    others: list[int]

    @property
    def all(self) -> list[int]:
        """Both, sorted."""
        return sorted({*self.own, *self.others})


class SshNetworks(NamedTuple):
    """Whom our rules for SSH let in, where one is needed. An empty list is anywhere."""

    # By this request
    own: Sequence[str]
    # By the host's other sites, each
    others: Sequence[Sequence[str]] = ()
    # Whether this request's are others than those of the last one
    is_changed: bool = False


def ssh_ports(asked: int, others: Collection[int] = ()) -> SshPorts:
    """The ports on which something listens that must stay open for SSH.

    `asked` is the port that the client dials. It counts only where the connection does not show the host's own: a
    router may forward it to another port, and what listens on `asked` here is then another service. Raises RefusedError
    when nothing listens on this connection's port.
    """
    listening = {listener.port for listener in listeners()}
    connection = this_connection()
    dialled = {asked} if connection is None or connection.is_local else set[int]()
    own = (dialled if connection is None else {*dialled, connection.port}) & listening
    if not own:
        raise RefusedError(
            f"nothing listens on port {asked} of this host, so enabling the firewall would lock you out; "
            "set sshPort to the port of sshd"
        )
    return SshPorts(sorted(own), sorted({*others} & listening - own))


def own_ssh_port(asked: int) -> int:
    """The host's own port of this connection, whatever port a router forwards to it; else `asked`."""
    connection = this_connection()
    return asked if connection is None or connection.is_local else connection.port


def open_ssh_ports(recorded: Collection[int] = ()) -> set[int]:
    """The ports on which sshd listens, and those that the last change kept open."""
    return {listener.port for listener in listeners() if "sshd" in listener.programs} | set(recorded)


class SshAccess:
    """Decides about the rules for SSH: `ports` must stay open, and `networks` may get in."""

    def __init__(self, ports: SshPorts, networks: SshNetworks, former: Files) -> None:
        self._ports = ports
        self._networks = networks
        connection = this_connection()
        self._is_local = connection is not None and connection.is_local
        self._visit = None if connection is None or connection.is_local else connection.visit
        self._former = former
        self._ways: SshWays | None = None
        # Whose way in is shut by rules that the owner wants, where this connection cannot prove that one is left
        self.shut_out: list[Way] = []

    def rules(self, ufw: Ufw, existing: Rules) -> dict[int, list[Rule]]:
        """Our rules for SSH, by IP version; `existing` are all rules of ufw."""
        if self._is_local:
            named = [network for one in (self._networks.own, *self._networks.others) for network in one]
            self._ways = SshWays(self._ports.all, self._former, named, existing)
            self._require_clear(self._ways, existing)
        opened = [port for port in self._ports.all if _has_rule(existing, port) or self._needs_rule(existing, port)]
        return {
            version: [
                ufw.rule(version, port, source, SSH) for port in opened for source in self._sources(existing, version)
            ]
            for version in existing
        }

    def _require_clear(self, ways: SshWays, existing: Rules) -> None:
        """Refuses to guess who may come in: a guess would shut them out, or let strangers in."""
        has_own = any(rule.comment == SSH for rules in existing.values() for rule in rules)
        if ways.unclear is not None and not self._networks.own and not has_own:
            raise RefusedError(
                f"the connection comes from the host itself, and who reaches SSH from outside cannot be told from "
                f"{ways.unclear}; {_NAME_THEM}"
            )

    def check(self, rules: Rules) -> Rule | None:
        """Refuses rules that would keep this connection's like out. Returns the rule by which it gets in.

        Raises RefusedError that names the rule or the line of ufw's files, and how to delete it.
        """
        verdict: Rule | None = None
        self.shut_out = [] if self._ways is None else self._ways.shut_out(rules)
        for port in self._ports.own:
            if self._visit is not None:
                verdict = self._check_visit(rules, self._visit._replace(port=port))
            elif self._ways is None or any(way.port == port and way.is_everyones for way in self.shut_out):
                self._check_everyone(rules, port)
        return verdict

    def _needs_rule(self, existing: Rules, port: int) -> bool:
        foreign = {version: [rule for rule in rules if not rule.is_ours] for version, rules in existing.items()}
        if port not in self._ports.own:
            return not any(rule.lets_in and rule.matches_port(port) for rules in foreign.values() for rule in rules)
        if self._ways is not None:
            return any(way.port == port for way in self._ways.lost(foreign))
        if self._visit is None:
            decisive = [find_decisive_rule(rules, port) for rules in foreign.values()]
            return not all(rule is not None and rule.lets_in for rule in decisive)
        visit = self._visit._replace(port=port)
        frame = _frame_verdict(visit)
        if frame is not None:
            return frame.target != "ACCEPT"
        rule = find_verdict(foreign.get(visit.version, []), visit)
        return rule is None or not rule.lets_in

    def _sources(self, existing: Rules, version: int) -> list[str]:
        """The networks of one IP version that our rules let in."""
        own, others, is_changed = self._networks
        present = {one: [rule.source for rule in rules if rule.comment == SSH] for one, rules in existing.items()}
        is_wide = any(source in ANYWHERE for sources in present.values() for source in sources)
        if is_wide and any(not one for one in others):
            # Another stack may come in by it.
            return [ANYWHERE[version == 6]]
        shared = [network for one in others for network in one]
        if own or self._is_in(shared):
            return [source for source in dict.fromkeys([*own, *shared]) if (":" in source) == (version == 6)]
        if (
            not is_changed
            and not is_wide
            and self._visit is not None
            and self._is_in(present.get(self._visit.version, []))
        ):
            # As narrow as when it was added
            return list(dict.fromkeys(present[version]))
        if self._ways is not None and not is_changed:
            return list(dict.fromkeys(present[version])) if any(present.values()) else self._reopened(existing, version)
        mirrored = None if self._visit is None else _narrow_entry(self._visit)
        if self._visit is None or mirrored is None:
            return [ANYWHERE[version == 6]]
        return [mirrored.rule.source] if version == self._visit.version else []

    def _reopened(self, existing: Rules, version: int) -> list[str]:
        """The networks of one IP version that reach SSH now, and by the owner's own rules no longer would."""
        foreign = {one: [rule for rule in rules if not rule.is_ours] for one, rules in existing.items()}
        lost = [] if self._ways is None else self._ways.lost(foreign)
        mine = [way for way in lost if way.version == version and way.port in self._ports.own]
        if self._ways is None or not any(way.is_everyones for way in mine):
            return networks_of(mine, version)
        if not self._ways.are_all_strangers_in(mine):
            interfaces = " and ".join(sorted({way.interface for way in mine if way.is_everyones}))
            raise RefusedError(
                f"the connection comes from the host itself, and others reach SSH by the interface {interfaces} only, "
                f"which a rule for everyone would not keep to; {_NAME_THEM}"
            )
        return [ANYWHERE[version == 6]]

    def _is_in(self, networks: Sequence[str]) -> bool:
        """Whether this connection comes from one of the networks."""
        if self._visit is None:
            return False
        address = ipaddress.ip_address(self._visit.client)
        return any(address in ipaddress.ip_network(network, strict=False) for network in networks)

    def _check_visit(self, rules: Rules, visit: Visit) -> Rule | None:
        frame = _frame_verdict(visit)
        if frame is not None:
            if frame.target == "ACCEPT":
                return None
            raise RefusedError(f"{frame.place} {_blocks(frame.rule, visit)}; delete it and run `pulumi up` again")
        rule = find_verdict(rules.get(visit.version, []), visit)
        if rule is not None and rule.lets_in:
            return rule
        if rule is not None:
            raise RefusedError(f"the rule `{rule.name}` {_blocks(rule, visit)}{remedy(rule)}")
        raise RefusedError(
            f"neither your own rules nor sshFrom allow {visit.client}, from where you connect, to reach port "
            f"{visit.port}, so you would be locked out of SSH; add its network to sshFrom and run `pulumi up` again"
        )

    def _check_everyone(self, rules: Rules, port: int) -> None:
        for version, listed in rules.items():
            entry = _frame_verdict(Visit(STRANGERS[version], STRANGERS[version], "", port))
            if entry is not None and entry.target != "ACCEPT":
                raise RefusedError(f"{entry.place} blocks SSH on port {port}; delete it and run `pulumi up` again")
            rule = find_decisive_rule(listed, port)
            if rule is not None and not rule.lets_in:
                raise RefusedError(f"the rule `{rule.name}` blocks SSH on port {port}{remedy(rule)}")


def _has_rule(existing: Rules, port: int) -> bool:
    return any(rule.comment == SSH and rule.matches_port(port) for rules in existing.values() for rule in rules)


def _blocks(rule: Rule, visit: Visit) -> str:
    return (
        f"blocks SSH on port {visit.port}" if rule.covers_everyone else f"blocks {visit.client}, where you connect from"
    )


def _frame_verdict(visit: Visit) -> Entry | None:
    """The line of ufw's before.rules that decides about a connection ahead of ufw's own rules."""
    prefix = kernel.PREFIX[visit.version]
    return find_entry(by_chain(frame_entries(visit.version)).get(f"{prefix}-before-input", []), visit)


def _narrow_entry(visit: Visit) -> Entry | None:
    """The kernel's rule, outside ufw, by which this connection gets in and strangers do not; None if there is none.

    Such a rule may be gone after a boot, so it is no reason to do without one of ours; but ours is to be as narrow.
    """
    listing = kernel.filter_rules(visit.version)
    chain = by_chain(parse_entries(listing, kernel.TOOL[visit.version])).get("INPUT", [])
    entry = find_entry(chain, visit)
    stranger = find_entry(chain, visit._replace(client=STRANGERS[visit.version]))
    if entry is None or entry.target != "ACCEPT" or entry.rule.covers_everyone:
        return None
    is_shut = "-P INPUT DROP" in listing if stranger is None else stranger.target != "ACCEPT"
    return entry if is_shut else None
