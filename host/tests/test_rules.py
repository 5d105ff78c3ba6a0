import unittest

from agent.errors import HostError
from agent.firewall.rules import CLOUDFLARE, SSH, Rule, arrange_rules, check_rules, find_openings


def rule(
    action: str,
    ports: str = "any",
    source: str = "0.0.0.0/0",
    *,
    protocol: str = "tcp",
    interface: str = "",
    destination: str = "0.0.0.0/0",
    source_ports: str = "any",
    incoming: bool = True,
    comment: str = "",
) -> Rule:
    name = f"{action} {ports} from {source}"
    return Rule(action, protocol, ports, source, destination, source_ports, interface, incoming, comment, name)


SSH_RULE = rule("allow", "22", comment=SSH)
RANGE = rule("allow", "443", "173.245.48.0/20", comment=CLOUDFLARE)
OTHER_RANGE = rule("allow", "443", "104.16.0.0/13", comment=CLOUDFLARE)
OURS = [SSH_RULE, RANGE]


def checked(*rules: Rule) -> None:
    check_rules(rules, {443, 2283}, {"eth0"})


class ArrangeRules(unittest.TestCase):
    def test_keeps_the_users_rules_and_their_order(self) -> None:
        first, last = rule("allow", "80"), rule("deny", "25")
        self.assertEqual(arrange_rules([first, OTHER_RANGE, SSH_RULE, last], OURS), [first, SSH_RULE, last, RANGE])

    def test_changes_nothing_if_nothing_is_missing(self) -> None:
        self.assertEqual(arrange_rules([RANGE, SSH_RULE], OURS), [RANGE, SSH_RULE])

    def test_does_not_mistake_a_users_rule_for_ours(self) -> None:
        same = RANGE._replace(comment="Cloudflare")
        self.assertEqual(arrange_rules([same], [SSH_RULE]), [same, SSH_RULE])


class CheckRules(unittest.TestCase):
    def test_accepts_rules_that_allow_only_cloudflare_on_443(self) -> None:
        harmless = [
            rule("allow", "80"),
            rule("allow", "443", "192.168.0.0/16"),
            rule("allow", "443", protocol="udp"),
            rule("allow", "443", interface="tailscale0"),
            rule("allow", "400:442,444"),
            rule("allow", "443", incoming=False),
            rule("deny", "any", "198.51.100.7"),
        ]
        checked(*harmless, *OURS)

    def test_refuses_rules_that_open_a_closed_port(self) -> None:
        dangerous = [
            rule("allow", "443"),
            rule("limit", "443"),
            rule("allow", "80,443"),
            rule("allow", "400:500"),
            rule("allow", "443", protocol="any"),
            rule("allow", protocol="any"),
            rule("allow", "443", "0.0.0.0/1"),
            rule("allow", "443", interface="eth0"),
            rule("allow", "443", interface="eth+"),
            rule("allow", "443", destination="198.51.100.10"),
            rule("allow", "443", source_ports="53"),
            rule("allow", "2283"),
            rule("allow", "443", "::/0", destination="::/0"),
        ]
        for one in dangerous:
            with (
                self.subTest(rule=one),
                self.assertRaisesRegex(HostError, "to everyone; run `ufw delete (allow|limit) "),
            ):
                checked(*OURS, one)

    def test_an_earlier_denial_for_everyone_makes_a_later_opening_harmless(self) -> None:
        checked(*OURS, rule("deny", "443"), rule("deny", "2283"), rule("allow", protocol="any"))
        with self.assertRaisesRegex(HostError, "port 2283"):
            checked(*OURS, rule("deny", "443"), rule("allow", protocol="any"))

    def test_names_all_rules_that_open_a_port(self) -> None:
        first, second, shut = rule("allow", "443"), rule("limit", "any"), rule("deny", "443")
        behind = rule("allow", "400:500")
        self.assertEqual(find_openings([first, RANGE, second, shut, behind], 443, {"eth0"}), [first, second])

    def test_refuses_rules_that_block_cloudflare(self) -> None:
        with self.assertRaisesRegex(HostError, "keep Cloudflare out"):
            checked(rule("deny", "443"), *OURS)


if __name__ == "__main__":
    unittest.main()
