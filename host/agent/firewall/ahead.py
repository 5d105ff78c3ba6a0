"""Finds what turns Cloudflare away from the sites' ports before ufw's own rules decide: other rules of iptables, in
either of its forms, and other tables of nftables.

Only what certainly turns away a whole range of Cloudflare counts. A rule with a match that this program does not know
may hit others alone, and one for a few addresses, such as fail2ban's, is no obstacle to a deployment.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import ahead_nft
from agent.firewall.chains import Entry, by_chain, parse_entries
from agent.firewall.kernel import GUARD
from agent.firewall.obstacle import Obstacle
from agent.firewall.rules import ANYWHERE
from agent.listeners.addresses import outside_addresses, outside_interfaces
from agent.listeners.tables import Listing, listings
from agent.ranges import Network, Ranges

# Tables with chains that a packet for the host enters, in the kernel's order
_CHAINS = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT"))
_DENYING = ("DROP", "REJECT")

# Some of Cloudflare's ranges, for a host that has not been told them yet: https://www.cloudflare.com/ips/
KNOWN = Ranges(["104.16.0.0/13", "173.245.48.0/20"], ["2400:cb00::/32", "2606:4700::/32"])


class _Visit(NamedTuple):
    """New connections of all addresses in a network to a port."""

    network: Network
    port: int


def find_obstacles(ranges: Ranges, ports: Collection[int]) -> list[Obstacle]:
    """What turns away one of these ranges or more from one of the ports, in both IP versions, once each."""
    outside = outside_interfaces()
    networks = [ipaddress.ip_network(text) for text in (*ranges.ipv4, *ranges.ipv6)]
    found = [
        one
        for port in ports
        for one in (
            *(one for listing in listings() for one in find_in_iptables(listing, networks, outside, port)),
            *ahead_nft.find_obstacles(networks, outside, port),
        )
    ]
    return list(dict.fromkeys(found))


def refuse_obstacles(ranges: Ranges, ports: Collection[int]) -> None:
    """Raises RefusedError for what would keep Cloudflare out although ufw lets it in."""
    found = find_obstacles(ranges, ports)
    if found:
        told = "; ".join(f"{one.problem}: {one.remedy}" for one in found)
        raise RefusedError(f"{told}; then run `pulumi up` again")


def find_in_iptables(
    listing: Listing, networks: Collection[Network], outside: Collection[str], port: int
) -> list[Obstacle]:
    """What turns away one of the networks from a port in one form of iptables."""
    found: dict[Obstacle, None] = {}
    for table, chain in _CHAINS:
        rules = listing.tables.get(table)
        if rules is None:
            continue
        chains = by_chain(parse_entries(rules, listing.tool))
        for network in networks:
            if network.version != listing.version:
                continue
            decision = _decide(chains, chain, _Visit(network, port), outside)
            if isinstance(decision, Entry):
                found[_rule_obstacle(decision, table, port)] = None
            # ufw sets the policy of its own form, and its rules come before that.
            elif decision in (None, "RETURN") and listing.is_other_form and f"-P {chain} DROP" in rules:
                found[_policy_obstacle(listing.tool, chain, port)] = None
    return list(found)


def _decide(
    chains: Mapping[str, Sequence[Entry]], start: str, visit: _Visit, outside: Collection[str], depth: int = 0
) -> Entry | str | None:
    """The rule that turns a network away, "ACCEPT" if one lets it on, "RETURN", or None at the chain's end."""
    for entry in chains.get(start, ()):
        if entry.target.startswith(("ufw-", "ufw6-")):
            return "ACCEPT"
        # The firewall step removes the guard that a killed run has left.
        if entry.target == GUARD or not _hits(entry, visit, outside):
            continue
        if entry.target in ("ACCEPT", "RETURN"):
            return entry.target
        # A rule with other matches may hit somebody else.
        if entry.others:
            continue
        if entry.target in _DENYING:
            return entry
        if entry.target in chains and depth < 20:
            decision = _decide(chains, entry.target, visit, outside, depth + 1)
            if decision not in (None, "RETURN"):
                return decision
    return None


def _hits(entry: Entry, visit: _Visit, outside: Collection[str]) -> bool:
    """Whether a rule applies to a new connection of any address in the network to the port, from outside."""
    rule = entry.rule
    if not rule.matches_port(visit.port) or rule.source_ports != "any":
        return False
    source, destination = (ipaddress.ip_network(text, strict=False) for text in (rule.source, rule.destination))
    own = [ipaddress.ip_address(address) for address in outside_addresses(outside)]
    if rule.destination not in ANYWHERE and not any(address in destination for address in own):
        return False
    return _covers(source, visit.network) and rule._replace(source=ANYWHERE[0]).reaches_strangers(outside)


def _covers(source: Network, network: Network) -> bool:
    """Whether a network has all of another one."""
    first, last = int(source[0]), int(source[-1])
    return source.version == network.version and first <= int(network[0]) and int(network[-1]) <= last


def _rule_obstacle(entry: Entry, table: str, port: int) -> Obstacle:
    tool, _, rule = entry.rule.name.partition(" -D ")
    option = "" if table == "filter" else f" -t {table}"
    return Obstacle(
        f"the rule `{tool}{option} -A {rule}`",
        f"run `{tool}{option} -D {rule}` on the host and remove it from where it is set at boot",
        port,
    )


def _policy_obstacle(tool: str, chain: str, port: int) -> Obstacle:
    return Obstacle(
        f"the policy DROP of {tool}'s chain {chain}",
        f"run `{tool} -P {chain} ACCEPT` on the host and remove it from where it is set at boot",
        port,
    )
