import ipaddress
import unittest
from collections.abc import Sequence
from typing import Any
from unittest import mock

from agent.firewall import ahead
from agent.firewall.ahead_nft import Ruleset
from agent.listeners.tables import Listing, parse_save

CLOUDFLARE = [ipaddress.ip_network(text) for text in ("104.16.0.0/13", "2606:4700::/32")]


def _addresses(_outside: Sequence[str]) -> list[str]:
    return ["198.51.100.10"]


def iptables(save: str, is_other_form: bool = False) -> list[str]:
    listing = Listing(4, "iptables-legacy" if is_other_form else "iptables", is_other_form, parse_save(save))
    with mock.patch.object(ahead, "outside_addresses", _addresses):
        return [one.what for one in ahead.find_in_iptables(listing, CLOUDFLARE, ["wan0"], 443)]


class Iptables(unittest.TestCase):
    def test_rules_behind_ufws_do_not_count(self) -> None:
        save = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ufw-before-input\n-A INPUT -j DROP\nCOMMIT\n"
        self.assertEqual(iptables(save), [])
        ahead_of_it = save.replace("-A INPUT -j ufw", "-A INPUT -i wan0 -j DROP\n-A INPUT -j ufw")
        self.assertEqual(iptables(ahead_of_it), ["the rule `iptables -A INPUT -i wan0 -j DROP`"])

    def test_the_other_form_is_read_over_ipv6(self) -> None:
        for tool in ("ip6tables", "ip6tables-legacy", "ip6tables-nft"):
            save = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 443 -j REJECT\nCOMMIT\n"
            listing = Listing(6, tool, tool != "ip6tables", parse_save(save))
            with mock.patch.object(ahead, "outside_addresses", lambda _outside: ["2001:db8::10"]):  # type: ignore[reportUnknownLambdaType]
                self.assertEqual(len(ahead.find_in_iptables(listing, CLOUDFLARE, ["wan0"], 443)), 1, tool)

    def test_the_other_form_counts_to_its_end(self) -> None:
        save = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"
        self.assertEqual(iptables(save), [])
        self.assertEqual(iptables(save, is_other_form=True), ["the policy DROP of iptables-legacy's chain INPUT"])
        opened = save.replace("COMMIT", "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\nCOMMIT")
        self.assertEqual(iptables(opened, is_other_form=True), [])

    def test_what_another_chain_returns(self) -> None:
        save = (
            "*filter\n:INPUT ACCEPT [0:0]\n:OWN - [0:0]\n-A INPUT -j OWN\n-A INPUT -p tcp -j DROP\n"
            "-A OWN -s 104.16.0.0/12 -j ACCEPT\n-A OWN -j RETURN\nCOMMIT\n"
        )
        self.assertEqual(iptables(save), [])
        self.assertEqual(
            iptables(save.replace("104.16.0.0/12", "104.16.0.0/24")), ["the rule `iptables -A INPUT -p tcp -j DROP`"]
        )


def nft(rules: list[list[dict[str, Any]]], policy: str = "drop", table: str = "filter", **more: Any) -> list[str]:
    place: dict[str, Any] = {"family": "inet", "table": table}
    base = {**place, "name": "input", "hook": "input", "type": "filter", "policy": policy, "prio": 0}
    objects: list[dict[str, Any]] = [{"chain": base}]
    objects += [{"rule": {**place, "chain": "input", "handle": at, "expr": expr}} for at, expr in enumerate(rules)]
    objects += [{"set": {**place, "name": name, "elem": elements}} for name, elements in more.items()]
    return [one.what for one in Ruleset(objects).obstacles(CLOUDFLARE, ["wan0"], 443)]


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
SOURCE_6 = {"payload": {"protocol": "ip6", "field": "saddr"}}
ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}
POLICY = "the policy `drop` of nftables' chain inet filter input"


class Nftables(unittest.TestCase):
    def test_the_policy(self) -> None:
        self.assertEqual(nft([]), [POLICY])
        self.assertEqual(nft([], policy="accept"), [])
        self.assertEqual(nft([[match(PORT, {"set": [22, 80]}), ACCEPT]]), [POLICY])
        for ports in (443, {"set": [22, 443]}, {"range": [400, 500]}, "@ports"):
            self.assertEqual(nft([[match(PORT, ports), ACCEPT]], ports=[80, 443]), [], ports)

    def test_what_may_let_cloudflare_in_is_no_obstacle(self) -> None:
        self.assertEqual(nft([[match(PORT, "@elsewhere"), ACCEPT]]), [])
        self.assertEqual(nft([[match({"payload": {"base": "th"}}, 1), ACCEPT]]), [])
        home = {"prefix": {"addr": "192.168.0.0", "len": 16}}
        self.assertEqual(nft([[match(SOURCE, home), ACCEPT]]), [POLICY])

    def test_what_turns_others_away_is_no_obstacle(self) -> None:
        for left, right in ((PORT, 25), (SOURCE, "203.0.113.7"), (SOURCE, "104.16.5.5"), (SOURCE, "@banned")):
            self.assertEqual(nft([[match(left, right), DROP]], "accept", banned=["104.16.9.9"]), [], right)
        self.assertEqual(nft([[{"limit": {"rate": 10}}, DROP]], "accept"), [])

    def test_a_rule_for_a_whole_range(self) -> None:
        everyone = "the rule 0 of nftables' chain inet filter input"
        self.assertEqual(nft([[DROP]], "accept"), [everyone])
        self.assertEqual(nft([[match(PORT, 443), {"reject": {}}]], "accept"), [everyone])
        self.assertEqual(
            nft([[match(SOURCE, {"prefix": {"addr": "104.0.0.0", "len": 8}}), DROP]], "accept"), [everyone]
        )
        private = {"set": [{"prefix": {"addr": "10.0.0.0", "len": 8}}]}
        self.assertEqual(nft([[match(SOURCE, private, "!="), DROP]], "accept"), [everyone])

    def test_states(self) -> None:
        known = {
            "vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT], ["invalid", DROP]]}}
        }
        self.assertEqual(nft([[known]]), [POLICY])
        self.assertEqual(nft([[known], [match(PORT, 443), ACCEPT]]), [])

    def test_tables_of_iptables_and_our_own_are_left_out(self) -> None:
        self.assertEqual(nft([], table="immich_access"), [])


if __name__ == "__main__":
    unittest.main()
