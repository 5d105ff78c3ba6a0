"""Works out what a list of ufw's rules allows. The first match decides."""

import ipaddress
from collections.abc import Collection, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.ranges import WIDEST

# Rules with these comments are ours, and only those.
CLOUDFLARE = "immich-access: Cloudflare"
SSH = "immich-access: SSH"

HTTPS_PORT = 443

ANYWHERE = ("0.0.0.0/0", "::/0")


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
        return self.comment in (CLOUDFLARE, SSH)

    @property
    def lets_in(self) -> bool:
        """Whether it allows what matches, perhaps at a limited rate."""
        return self.action in ("allow", "limit")

    def matches_port(self, port: int) -> bool:
        """Whether the rule applies to new TCP connections to a port of the host."""
        if not self.incoming or self.protocol not in ("any", "tcp"):
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

    def covers(self, client: str) -> bool:
        """Whether the rule applies to everything that one address sends to the host."""
        address, source = ipaddress.ip_address(client), ipaddress.ip_network(self.source, strict=False)
        return address in source and self.destination in ANYWHERE and self.source_ports == "any" and not self.interface

    def reaches_strangers(self, outside: Collection[str]) -> bool:
        """Whether anyone on the internet can match the rule at will.

        `outside` are the interfaces that lead to the internet. A source port and a destination address are no
        restriction, because the client chooses them.
        """
        source = ipaddress.ip_network(self.source, strict=False)
        wide = source.prefixlen < WIDEST[source.version]
        prefix = self.interface.rstrip("+")
        here = any(name == self.interface or (prefix != self.interface and name.startswith(prefix)) for name in outside)
        return wide and (self.interface == "" or here)


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


def find_client_denial(rules: Sequence[Rule], port: int, client: str) -> Rule | None:
    """The rule that denies a port to one client, unless an earlier one allows it.

    Rules for one interface are skipped: the rules do not show which interface the client uses.
    """
    rule = next((rule for rule in rules if rule.matches_port(port) and rule.covers(client)), None)
    return None if rule is None or rule.lets_in else rule


def find_openings(rules: Sequence[Rule], port: int, outside: Collection[str]) -> list[Rule]:
    """The rules, except ours, that open a port to the internet; see `reaches_strangers`."""
    found: list[Rule] = []
    for rule in rules:
        if not rule.matches_port(port) or rule.is_ours:
            continue
        if rule.lets_in and rule.reaches_strangers(outside):
            found.append(rule)
        elif rule.covers_everyone:
            break
    return found


def check_rules(
    rules: Sequence[Rule],
    ssh_ports: Collection[int],
    closed: Collection[int],
    outside: Collection[str],
    client: str | None = None,
) -> None:
    """Refuses rules that would leave the host open or lock its owner out.

    `closed` are ports that only the ranges of our own rules may reach; `client` is the owner's address, if known.
    Raises RefusedError that names the rule and how to delete it.
    """
    for port in sorted(ssh_ports):
        rule = find_decisive_rule(rules, port)
        if rule is None or not rule.lets_in:
            trouble = "no rule allows" if rule is None else f"the rule `{rule.name}` blocks"
            raise RefusedError(f"{trouble} SSH on port {port}{_remedy(rule)}")
        denied = None if client is None else find_client_denial(rules, port, client)
        if denied is not None:
            raise RefusedError(f"the rule `{denied.name}` blocks {client}, where you connect from{_remedy(denied)}")
    for port in sorted(closed):
        for rule in find_openings(rules, port, outside):
            raise RefusedError(f"the rule `{rule.name}` opens port {port} to everyone{_remedy(rule)}")
    shadow = find_decisive_rule(rules, HTTPS_PORT)
    if shadow is not None and any(rule.comment == CLOUDFLARE for rule in rules[rules.index(shadow) :]):
        raise RefusedError(f"the rule `{shadow.name}` would keep Cloudflare out of port {HTTPS_PORT}{_remedy(shadow)}")


def _remedy(rule: Rule | None) -> str:
    delete = "" if rule is None else f"; run `ufw delete {rule.name}` on the host"
    return f"{delete} and `pulumi up` again"
