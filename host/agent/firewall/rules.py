"""Works out what a list of ufw's rules allows. The first match decides."""

import functools
import ipaddress
from collections.abc import Collection, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.ranges import WIDEST

# Rules with these comments are ours, and only those.
CLOUDFLARE = "immich-access: Cloudflare"
SSH = "immich-access: SSH"
HOME = "immich-access: home network"
KEPT = "immich-access: kept open"
OURS = (CLOUDFLARE, SSH, HOME, KEPT)

# Where Cloudflare connects to a host if no origin rule leads it elsewhere
HTTPS_PORT = 443

ANYWHERE = ("0.0.0.0/0", "::/0")

# A client that no owner has in mind: TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849).
STRANGERS = {4: "192.0.2.1", 6: "2001:db8::1"}


# Long lists of rules are asked about many clients.
_network = functools.lru_cache(maxsize=10_000)(functools.partial(ipaddress.ip_network, strict=False))
_address = functools.lru_cache(maxsize=10_000)(ipaddress.ip_address)


class Visit(NamedTuple):
    """A new connection to the host, or the first packet of UDP, as its rules see it."""

    # Where it comes from
    client: str
    # The host's own address that it is for
    destination: str
    # The interface by which it comes; empty if unknown
    interface: str
    port: int
    protocol: str = "tcp"

    @property
    def version(self) -> int:
        """The IP version."""
        return ipaddress.ip_address(self.client).version


class Rule(NamedTuple):
    """One of ufw's rules in ufw's own terms: `any` where it does not restrict."""

    action: str
    protocol: str
    # Port numbers and ranges, as in "22,6000:6007".
    ports: str
    source: str
    destination: str
    source_ports: str
    # Empty if the rule applies to every interface.
    interface: str
    # Whether it filters packets to the host itself, not from or through it.
    incoming: bool
    comment: str
    # Its arguments for `ufw delete`.
    name: str

    @property
    def is_ours(self) -> bool:
        """Whether this program created the rule."""
        return self.comment in OURS

    @property
    def lets_in(self) -> bool:
        """Whether it allows what matches, perhaps at a limited rate."""
        return self.action in ("allow", "limit")

    def matches_port(self, port: int, protocol: str = "tcp") -> bool:
        """Whether the rule applies to new connections to a port of the host."""
        if not self.incoming or self.protocol not in ("any", protocol):
            return False
        if self.ports == "any":
            return True
        bounds = [[int(text) for text in part.split(":")] for part in self.ports.split(",")]
        return any(bound[0] <= port <= bound[-1] for bound in bounds)

    @property
    def covers_everyone(self) -> bool:
        """Whether the rule applies to every client, address and interface."""
        return (
            self.source in ANYWHERE
            and self.destination in ANYWHERE
            and self.source_ports == "any"
            and self.interface == ""
        )

    def matches(self, visit: Visit) -> bool:
        """Whether the rule applies to this connection and to every other one from the same address.

        False for a rule of one interface if the connection's own is unknown.
        """
        return (
            self.matches_port(visit.port, visit.protocol)
            and _address(visit.client) in _network(self.source)
            and _address(visit.destination) in _network(self.destination)
            and self.source_ports == "any"
            and (self.interface == "" or self._is_for(visit.interface))
        )

    def _is_for(self, interface: str) -> bool:
        """Whether the rule's interface, which may end in a `+` for any ending, is this one."""
        prefix = self.interface.rstrip("+")
        return interface != "" and (
            interface == self.interface or (prefix != self.interface and interface.startswith(prefix))
        )

    def reaches_strangers(self, outside: Collection[str]) -> bool:
        """Whether anyone on the internet can match the rule at will.

        `outside` are the interfaces that lead to the internet. A source port and a destination address are no
        restriction, because the client chooses them.
        """
        source = ipaddress.ip_network(self.source, strict=False)
        wide = source.prefixlen < WIDEST[source.version]
        return wide and (self.interface == "" or any(self._is_for(name) for name in outside))


def arrange_rules(existing: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """The existing rules in order, without our outdated ones, followed by the missing ones."""
    kept: list[Rule] = []
    for rule in existing:
        if not rule.is_ours or (rule in wanted and rule not in kept):
            kept.append(rule)
    return [*kept, *(rule for rule in wanted if rule not in kept)]


def find_decisive_rule(rules: Sequence[Rule], port: int) -> Rule | None:
    """The first rule that decides about a port for everyone."""
    return next((rule for rule in rules if rule.matches_port(port) and rule.covers_everyone), None)


def find_verdict(rules: Sequence[Rule], visit: Visit) -> Rule | None:
    """The first rule that decides about a connection and its like."""
    return next((rule for rule in rules if rule.matches(visit)), None)


def find_openings(rules: Sequence[Rule], port: int, outside: Collection[str]) -> list[Rule]:
    """The rules, except those for Cloudflare and SSH, that open a port to the internet; see `reaches_strangers`."""
    found: list[Rule] = []
    for rule in rules:
        if not rule.matches_port(port) or rule.comment in (CLOUDFLARE, SSH):
            continue
        if rule.lets_in and rule.reaches_strangers(outside):
            found.append(rule)
        elif rule.covers_everyone:
            break
    return found


def check_rules(rules: Sequence[Rule], closed: Collection[int], outside: Collection[str]) -> None:
    """Refuses rules that would leave the host open, or keep Cloudflare out.

    `closed` are ports that only the ranges of our own rules may reach. Raises RefusedError that names the rule and how
    to delete it.
    """
    for port in sorted(closed):
        for rule in find_openings(rules, port, outside):
            raise RefusedError(f"the rule `{rule.name}` opens port {port} to everyone{remedy(rule)}")
    for rule in rules:
        if rule.comment in (CLOUDFLARE, HOME):
            port = int(rule.ports)
            shadow = find_decisive_rule(rules[: rules.index(rule)], port)
            if shadow is not None and (rule.comment == CLOUDFLARE or not shadow.lets_in):
                who = "Cloudflare" if rule.comment == CLOUDFLARE else f"the home network {rule.source}"
                raise RefusedError(f"the rule `{shadow.name}` would keep {who} out of port {port}{remedy(shadow)}")


def remedy(rule: Rule) -> str:
    """What deletes a rule of ufw, as the end of a sentence."""
    return f"; run `ufw delete {rule.name}` on the host and `pulumi up` again"
