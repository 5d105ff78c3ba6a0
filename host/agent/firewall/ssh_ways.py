"""Works out from where SSH can be reached, where the deployment runs on the host itself.

A connection over loopback shows that sshd answers, and nothing about the ways in from outside. They are read off the
rules instead: addresses fall into spans between which no rule draws a line, so one address stands for its whole span.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_address, ip_network, summarize_address_range
from itertools import chain
from typing import NamedTuple

from agent.firewall import kernel
from agent.firewall.bypass import frame_entries
from agent.firewall.chains import parse_entries
from agent.firewall.passage import Passage
from agent.firewall.rules import STRANGERS, Rule, Visit
from agent.firewall.ssh_unclear import find_unclear
from agent.firewall.ufw import CONFIGURATION, DEFAULTS, Files, value
from agent.listeners.addresses import own_addresses, routes
from agent.listeners.sockets import Listener, listeners
from agent.system import is_installed

Rules = Mapping[int, Sequence[Rule]]


class Way(NamedTuple):
    """A span of addresses that may come to one of sshd's ports by an interface."""

    interface: str
    # The host's own address
    destination: str
    port: int
    # The first and the last address, as numbers
    first: int
    last: int

    @property
    def version(self) -> int:
        """The IP version."""
        return ip_address(self.destination).version

    @property
    def visit(self) -> Visit:
        """A connection from there, which stands for all others."""
        client = IPv4Address(self.first) if self.version == 4 else IPv6Address(self.first)
        return Visit(str(client), self.destination, self.interface, self.port)

    @property
    def is_everyones(self) -> bool:
        """Whether strangers are in it."""
        return self.first <= int(ip_address(STRANGERS[self.version])) <= self.last


class SshWays:
    """The ways by which SSH can be reached before a change of the firewall."""

    def __init__(self, ports: Collection[int], former: Files, networks: Iterable[str], existing: Rules) -> None:
        """`existing` are all rules of ufw before the change, and `networks` those that rules to come may name."""
        entrances = [one for one in listeners() if not one.is_local and (one.port in ports or "sshd" in one.programs)]
        sources = [*networks, *_sources(existing, {one.port for one in entrances})]
        passes = _filter_of(former, existing)
        self._all = _ways(entrances, sources)
        self._open = [way for way in self._all if passes(way.visit)]
        # What keeps one from telling who comes in before the change; ufw's own files say it for sure
        self.unclear = None if not self._all or _is_on(former) else find_unclear({one.port for one in entrances})

    def are_all_strangers_in(self, ways: Collection[Way]) -> bool:
        """Whether strangers have these ways in by every interface and address of the host by which they can come."""
        strangers = {(way.version, way.port) for way in ways if way.is_everyones}
        return all(way in ways for way in self._all if way.is_everyones and (way.version, way.port) in strangers)

    def lost(self, rules: Rules) -> list[Way]:
        """Those that are shut once ufw is on with these rules."""
        passage = Passage(rules)
        return [way for way in self._open if not passage.later(way.visit)]

    def shut_out(self, rules: Rules) -> list[Way]:
        """Those of them whose addresses then reach SSH on no other port either."""
        passage = Passage(rules)
        left = {(way.interface, way.version, way.first) for way in self._all if passage.later(way.visit)}
        return [way for way in self._open if (way.interface, way.version, way.first) not in left]


def networks_of(ways: Iterable[Way], version: int) -> list[str]:
    """The networks of one IP version that ways come from, joined."""
    bounds = [(way.first, way.last) for way in ways if way.version == version]
    if version == 4:
        four = [summarize_address_range(IPv4Address(first), IPv4Address(last)) for first, last in bounds]
        return [str(network) for network in collapse_addresses(chain.from_iterable(four))]
    six = [summarize_address_range(IPv6Address(first), IPv6Address(last)) for first, last in bounds]
    return [str(network) for network in collapse_addresses(chain.from_iterable(six))]


def names_of(ways: Sequence[Way]) -> list[str]:
    """The same of both IP versions, for people."""
    if any(way.is_everyones for way in ways):
        return ["the internet"]
    return [network for version in (4, 6) for network in networks_of(ways, version)]


def _is_on(former: Files) -> bool:
    return value(former, CONFIGURATION, "ENABLED") == "yes"


def _filter_of(former: Files, existing: Rules) -> Callable[[Visit], bool]:
    """Whether a visit gets in before the change: by ufw's files if it is on, else by the kernel's rules."""
    passage = Passage(existing)
    if not _is_on(former):
        return passage.now
    default = value(former, DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept"
    # ufw shuts an IP version that it does not filter.
    versions = (4, 6) if value(former, DEFAULTS, "IPV6") == "yes" else (4,)
    return lambda visit: visit.version in versions and passage.later(visit, default=default)


def _ways(entrances: Sequence[Listener], sources: Sequence[str]) -> list[Way]:
    """All ways to these listeners, whatever the firewall does."""
    return [
        Way(route.interface, destination, listener.port, first, last)
        for listener in entrances
        for route in routes()
        if route.version in listener.versions
        for destination in _destinations(listener, route.interface, route.version)
        for first, last in spans(sources, route.network)
    ]


def _destinations(listener: Listener, interface: str, version: int) -> list[str]:
    """The host's own addresses at which others reach a listener by an interface."""
    if not listener.is_everywhere:
        return [listener.address]
    known = [own for own in own_addresses() if own.version == version and own.is_global]
    return [own.address for own in known if own.interface == interface] or [own.address for own in known[:1]]


def spans(sources: Iterable[str], within: str) -> list[tuple[int, int]]:
    """The first and last addresses, as numbers, of the parts into which the sources divide a network."""
    whole = ip_network(within)
    first, last = int(whole.network_address), int(whole.broadcast_address)
    starts = {first}
    for source in map(partial(ip_network, strict=False), sources):
        if source.version == whole.version:
            ends = int(source.network_address), int(source.broadcast_address) + 1
            starts |= {end for end in ends if first < end <= last}
    ordered = sorted(starts)
    return list(zip(ordered, [*(start - 1 for start in ordered[1:]), last], strict=True))


def _sources(rules: Rules, ports: Collection[int]) -> set[str]:
    """The networks that any rule about these ports names: ufw's, the files' around them, and the kernel's."""
    found = [rule for listed in rules.values() for rule in listed]
    for version in kernel.versions():
        tool = kernel.TOOL[version]
        listing = kernel.filter_rules(version) if is_installed(tool) else []
        found += [entry.rule for entry in [*parse_entries(listing, tool), *frame_entries(version)]]
    return {rule.source for rule in found if any(rule.matches_port(port) for port in ports)}
