"""Finds the tables of nftables, other than iptables' and our own, that turn Cloudflare away from a port."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from agent.firewall.nft_matches import Packet, element, fields, matches
from agent.firewall.obstacle import Obstacle
from agent.listeners.tables import nft_ruleset
from agent.ranges import Network

# Hooks that a packet for the host passes
_HOOKS = ("ingress", "prerouting", "input")
# iptables-nft keeps its tables under these names; iptables lists them.
_IPTABLES = {(family, table) for family in ("ip", "ip6") for table in ("raw", "mangle", "nat", "filter", "security")}
_OWN = "immich_access"
_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6), "netdev": (4, 6)}
_DEEPEST = 20
# A longer set is a list of addresses to block, and takes long to compare.
_MOST_ELEMENTS = 2000

# Family, table and name
_Key = tuple[str, str, str]


class _Denial(NamedTuple):
    """The rule that turns a packet away."""

    chain: str
    handle: int


# "accept" if the packet is let on, or may be; None at the chain's end
_Verdict = _Denial | Literal["accept"] | None


class Ruleset:
    """nftables' ruleset, without the tables of iptables and our own."""

    def __init__(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """`objects` are those of `nft -j list ruleset`."""
        self._bases: dict[_Key, Mapping[str, Any]] = {}
        self._rules: dict[_Key, list[Mapping[str, Any]]] = {}
        self._sets: dict[_Key, Sequence[Any]] = {}
        for one in objects:
            for kind, found in one.items():
                family, table = str(found.get("family", "")), str(found.get("table", ""))
                if (family, table) not in _IPTABLES and table != _OWN:
                    self._add(kind, found, family, table)

    def _add(self, kind: str, found: Mapping[str, Any], family: str, table: str) -> None:
        if kind == "chain" and found.get("hook") in _HOOKS and found.get("type") == "filter":
            self._bases[family, table, found["name"]] = found
        elif kind == "rule":
            self._rules.setdefault((family, table, found["chain"]), []).append(found)
        elif kind in ("set", "map"):
            self._sets[family, table, found["name"]] = found.get("elem", [])

    def input_filter(self) -> str | None:
        """The first chain for packets to the host whose policy, or a rule of whose table, turns some away."""
        for (family, table, chain), base in self._bases.items():
            if base.get("hook") != "input":
                continue
            rules = [rule for key, listed in self._rules.items() if key[:2] == (family, table) for rule in listed]
            turns_away = any(
                verdict in expression
                for rule in rules
                for expression in rule.get("expr", [])
                for verdict in ("drop", "reject", "vmap")
            )
            if turns_away or base.get("policy") == "drop":
                return f"chain {chain} of the table {family} {table}"
        return None

    def obstacles(self, networks: Collection[Network], outside: Collection[str], port: int) -> list[Obstacle]:
        """What turns away one of the networks or more on one of the outside interfaces, once each."""
        found: dict[Obstacle, None] = {}
        for key, base in self._bases.items():
            packets = [
                Packet(network, interface, port)
                for network in networks
                for interface in outside
                if network.version in _FAMILIES.get(key[0], ())
            ]
            for packet in packets:
                verdict = self._walk(key, packet, 0)
                if isinstance(verdict, _Denial):
                    found[_rule_obstacle(key, verdict, port)] = None
                elif verdict is None and base.get("policy") == "drop":
                    found[_policy_obstacle(key, port)] = None
        return list(found)

    def _walk(self, key: _Key, packet: Packet, depth: int) -> _Verdict:
        for rule in self._rules.get(key, ()):
            expressions: list[dict[str, Any]] = rule.get("expr", [])
            hits = self._hits(key, expressions, packet)
            if hits is False:
                continue
            for expression in expressions:
                denial = _Denial(key[2], int(rule.get("handle", 0)))
                ends, verdict = self._judge(key, expression, packet, denial, depth)
                # Perhaps for others only: then it is not certain that it is turned away, here or later.
                if verdict == "accept" or (hits and ends):
                    return verdict
        return None

    def _judge(
        self, key: _Key, expression: Mapping[str, Any], packet: Packet, denial: _Denial, depth: int
    ) -> tuple[bool, _Verdict]:
        """Whether a statement ends the chain for the packet, and with which verdict."""
        if "accept" in expression or "queue" in expression or depth > _DEEPEST:
            return True, "accept"
        if "drop" in expression or "reject" in expression:
            return True, denial
        if "return" in expression:
            return True, None
        for way in ("jump", "goto"):
            target = fields(expression.get(way)).get("target")
            if target is not None:
                verdict = self._walk((key[0], key[1], str(target)), packet, depth + 1)
                return way == "goto" or verdict is not None, verdict
        if "vmap" in expression:
            return self._judge_map(key, fields(expression["vmap"]), packet, denial, depth)
        return False, None

    def _judge_map(
        self, key: _Key, vmap: Mapping[str, Any], packet: Packet, denial: _Denial, depth: int
    ) -> tuple[bool, _Verdict]:
        data = vmap.get("data")
        entries: Sequence[Any] | None = fields(data).get("set") or self._sets.get((key[0], key[1], str(data)[1:]))
        if entries is None:
            return True, "accept"
        for value, verdict in entries:
            hits = matches(vmap.get("key"), [element(value)], packet)
            if hits is None:
                # Where it leads is not clear.
                return True, "accept"
            if hits:
                return self._judge(key, fields(verdict), packet, denial, depth + 1)
        return False, None

    def _hits(self, key: _Key, expressions: Sequence[Mapping[str, Any]], packet: Packet) -> bool | None:
        """Whether a rule applies to the packet; None if that is not known."""
        is_known = True
        for expression in expressions:
            if "match" in expression:
                match = fields(expression["match"])
                values = self._values(key, match.get("right"))
                hits = None if values is None else matches(match.get("left"), values, packet)
                if hits is not None and hits == (match.get("op") == "!="):
                    return False
                is_known = is_known and hits is not None
            elif "limit" in expression or "xt" in expression:
                is_known = False
        return True if is_known else None

    def _values(self, key: _Key, right: Any) -> list[Any] | None:
        """The values on the right side of a match; None if they are not known."""
        if isinstance(right, str) and right.startswith("@"):
            elements = self._sets.get((key[0], key[1], right[1:]))
            return None if elements is None or len(elements) > _MOST_ELEMENTS else [element(one) for one in elements]
        several: list[Any] = cast("list[Any]", right) if isinstance(right, list) else fields(right).get("set", [right])
        return [element(one) for one in several]


def find_obstacles(networks: Collection[Network], outside: Collection[str], port: int) -> list[Obstacle]:
    """What turns away one of the networks or more on one of the outside interfaces."""
    return Ruleset(nft_ruleset()).obstacles(networks, outside, port)


def _rule_obstacle(key: _Key, denial: _Denial, port: int) -> Obstacle:
    family, table, _ = key
    return Obstacle(
        f"the rule {denial.handle} of nftables' chain {family} {table} {denial.chain}",
        f"look at it with `nft -a list chain {family} {table} {denial.chain}` on the host, and let port {port} through "
        "before it, there and in the file that loads it",
        port,
    )


def _policy_obstacle(key: _Key, port: int) -> Obstacle:
    family, table, name = key
    return Obstacle(
        f"the policy `drop` of nftables' chain {family} {table} {name}",
        f"run `nft add rule {family} {table} {name} tcp dport {port} accept` on the host, and write that rule into the "
        "file that loads the chain",
        port,
    )
