"""Works out which ports of the host strangers or Cloudflare's addresses can reach.

What is unclear counts as reachable: a port that is asked needlessly costs a moment, and one that is not asked may be a
way in.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.firewall import kernel, ufw
from agent.firewall.bypass import MANAGED, frame_entries, input_chains
from agent.firewall.chains import Entry, by_chain, parse_entries
from agent.firewall.guard.doors import find_doors
from agent.firewall.guard.steps import ssh_ports_of
from agent.firewall.request import Needs
from agent.firewall.rules import CLOUDFLARE, Rule
from agent.listeners.addresses import outside_interfaces
from agent.ranges import Ranges
from agent.system import is_installed

# Without Cloudflare's ranges, a source as wide as the smallest of them may be one.
_SMALLEST = {4: 22, 6: 32}


class Opening(NamedTuple):
    """What lets others in to a port."""

    # For people: "the rule `allow 80/tcp`"
    by: str
    # The command that takes it away; empty if there is none
    remove: str = ""
    # Whether only Cloudflare's addresses get in, from which every customer of Cloudflare can send
    only_cloudflare: bool = False

    @property
    def says(self) -> str:
        """What it does, for people."""
        cloudflare = "Cloudflare's addresses, from which each of its customers can send"
        return f"{self.by} opens that port to {cloudflare if self.only_cloudflare else 'everyone'}"


class Filter(NamedTuple):
    """The host's filter for incoming packets."""

    # ufw's rules by IP version, in order
    rules: Mapping[int, Sequence[Rule]]
    # The other rules of the kernel, and those that ufw loads at its next start, by IP version and chain
    chains: Mapping[int, Mapping[str, Sequence[Entry]]]
    outside: Collection[str]
    ranges: Ranges | None
    # The ports to which ufw lets Cloudflare in, or will
    served: Collection[int]
    # Why nothing is filtered; empty if ufw does
    absent: str = ""

    def opening(self, port: int, versions: Collection[int] = (4, 6)) -> Opening | None:
        """What opens a TCP port of the host to strangers or to Cloudflare, or None."""
        if self.absent:
            return Opening(self.absent)
        found = [one for version in versions for one in self._openings(port, version)]
        # What is open to everyone is told first.
        return min(found, key=lambda one: one.only_cloudflare, default=None)

    def _openings(self, port: int, version: int) -> list[Opening]:
        found: list[Opening] = []
        for rule in self.rules.get(version, ()):
            if not rule.matches_port(port) or rule.is_ours:
                continue
            whom = self._reaches(rule)
            if rule.lets_in and whom is not None:
                found.append(Opening(f"ufw's rule `{rule.name}`", f"ufw delete {rule.name}", whom))
            elif rule.covers_everyone:
                break
        found += [_opening_by(entry, bool(self._reaches_entry(entry))) for entry in self._accepting(version, port)]
        if port in self.served:
            found.append(Opening("this program's own rule", "", True))
        return found

    def _reaches(self, rule: Rule) -> bool | None:
        """Whether only Cloudflare can match a rule; None if neither strangers nor Cloudflare can."""
        if rule.reaches_strangers(self.outside):
            return False
        if rule.interface and not rule._replace(source="0.0.0.0/0").reaches_strangers(self.outside):
            return None
        source = ipaddress.ip_network(rule.source, strict=False)
        return True if self._may_be_cloudflare(source) else None

    def _may_be_cloudflare(self, source: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
        if self.ranges is None:
            return source.is_global and source.prefixlen <= _SMALLEST[source.version]
        known = self.ranges.ipv4 if source.version == 4 else self.ranges.ipv6
        return any(_overlap(source, ipaddress.ip_network(one)) for one in known)

    def _reaches_entry(self, entry: Entry) -> bool | None:
        """The same for a rule of iptables, which may be negated."""
        if "!" not in entry.others:
            return self._reaches(entry.rule)
        barred = re.findall(r" ! -i (\S+)", entry.rule.name)
        return None if barred and {*self.outside} <= {*barred} else False

    def _accepting(self, version: int, port: int) -> list[Entry]:
        """The rules that may accept a stranger's or Cloudflare's connection, apart from those that ufw manages."""
        chains, found = self.chains.get(version, {}), list[Entry]()
        waiting = input_chains(version)
        for chain in waiting:
            for entry in chains.get(chain, ()):
                if not entry.rule.matches_port(port) or self._reaches_entry(entry) is None:
                    continue
                if entry.target == "ACCEPT":
                    found.append(entry)
                elif entry.target in chains and entry.target not in waiting:
                    waiting.append(entry.target)
        return found


def filter_after_step(ranges: Ranges | None, served: Collection[int]) -> Filter:
    """The filter that will be in force after the firewall step: ufw enabled, with its rules and those for
    Cloudflare at the `served` ports.

    `ranges` are Cloudflare's, or None if they are not known.
    """
    return Filter(_ufw_rules(), _other_chains(), outside_interfaces(), ranges, served)


def filter_now(ranges: Ranges | None) -> Filter:
    """The filter that is in force."""
    rules = _ufw_rules()
    served = {int(rule.ports) for listed in rules.values() for rule in listed if rule.comment == CLOUDFLARE}
    found = Filter(rules, _other_chains(), outside_interfaces(), ranges, served)
    if not _has_ufw() or ufw.value(ufw.current(), ufw.CONFIGURATION, "ENABLED") != "yes":
        return found._replace(absent="ufw, which is disabled,")
    if ufw.value(ufw.current(), ufw.DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept":
        return found._replace(absent="ufw's default policy")
    return found


def guarded_ports(sites: Mapping[str, Needs]) -> set[int]:
    """The ports of the host that our own guard closes, whatever else opens them: they are no way in."""
    return find_doors(sites, ssh_ports_of(sites)).host_ports


def _opening_by(entry: Entry, only_cloudflare: bool) -> Opening:
    if " of /" in entry.place:
        return Opening(entry.place.rstrip(","), "", only_cloudflare)
    return Opening(f"the kernel's rule that `{entry.rule.name}` deletes", entry.rule.name, only_cloudflare)


def _has_ufw() -> bool:
    return is_installed("ufw") and all(file is not None for file in ufw.current().values())


def _ufw_rules() -> dict[int, list[Rule]]:
    """The rules that ufw has or, while it is disabled, would have."""
    if not _has_ufw():
        return {}
    with ufw.ufw_on_copy([]) as view:
        return {version: view.rules(version) for version in view.versions()}


def _other_chains() -> dict[int, dict[str, list[Entry]]]:
    found: dict[int, dict[str, list[Entry]]] = {}
    for version, tool in kernel.TOOL.items():
        listed = parse_entries(kernel.filter_rules(version), tool) if _filters(version) else []
        found[version] = by_chain([*(one for one in listed if not MANAGED.match(one.chain)), *frame_entries(version)])
    return found


def _filters(version: int) -> bool:
    return version in kernel.versions() and is_installed(kernel.TOOL[version])


def _overlap(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.overlaps(other)
    return isinstance(other, ipaddress.IPv6Network) and one.overlaps(other)
