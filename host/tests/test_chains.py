import unittest
from pathlib import Path
from unittest import mock

from agent.firewall.bypass import find_kernel_opening
from agent.firewall.chains import by_chain, find_opening, find_verdict, parse_entries
from agent.firewall.rules import Visit

OUTSIDE = {"eth0"}
# What ufw 0.36.2 has in a kernel, as far as a new TCP connection meets it.
UFW = [
    "-P INPUT DROP",
    "-A INPUT -j ufw-before-input",
    "-A INPUT -j ufw-after-input",
    "-A INPUT -j ufw-track-input",
    "-A ufw-before-input -i lo -j ACCEPT",
    "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A ufw-before-input -j ufw-not-local",
    "-A ufw-before-input -j ufw-user-input",
    "-A ufw-not-local -j DROP",
    "-A ufw-after-input -p tcp -m tcp --dport 445 -j ufw-skip-to-policy-input",
    "-A ufw-track-input -p tcp -m conntrack --ctstate NEW -j ACCEPT",
    "-A ufw-user-input -p tcp -m tcp --dport 443 -j ACCEPT",
    "-A OUTPUT -p tcp -j ACCEPT",
]


def opened(*lines: str, port: int = 443) -> str | None:
    """The rule that opens a port, by the command that deletes it."""
    found = find_kernel_opening(parse_entries([*lines, *UFW], "iptables"), port, OUTSIDE)
    return None if found is None else found.rule.name


class FindOpening(unittest.TestCase):
    def test_ignores_ufws_own_rules(self) -> None:
        self.assertIsNone(opened())

    def test_finds_rules_in_every_chain_that_a_connection_traverses(self) -> None:
        for rule in [
            "INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
            "INPUT -p tcp -m state --state NEW -m tcp --dport 443 -j ACCEPT",
            "INPUT -i eth0 -j ACCEPT",
            "INPUT -p tcp -m multiport --dports 80,400:500 -j ACCEPT",
            "INPUT -p tcp -m tcp --dport 443 -m limit --limit 9/sec -j ACCEPT",
            "ufw-before-input -s 0.0.0.0/1 -p tcp -j ACCEPT",
            "ufw-after-input -p tcp -m tcp --dport 443 -j ACCEPT",
        ]:
            with self.subTest(rule=rule):
                self.assertEqual(opened(f"-A {rule}"), f"iptables -D {rule}")

    def test_follows_a_jump_only_if_the_connection_would(self) -> None:
        web = ["-A web -j ACCEPT"]
        self.assertEqual(opened("-A INPUT -p tcp --dport 443 -j web", *web), "iptables -D web -j ACCEPT")
        self.assertIsNone(opened("-A INPUT -p tcp --dport 80 -j web", *web))
        self.assertIsNone(opened("-A INPUT -s 192.168.0.0/16 -j web", *web))

    def test_ignores_rules_that_admit_few(self) -> None:
        for rule in [
            "INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 443 -j ACCEPT",
            "INPUT -p tcp -m set --match-set friends src -j ACCEPT",
            "INPUT -p tcp -m recent --rcheck --name KNOCK -j ACCEPT",
            "INPUT -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "INPUT -p udp -m udp --dport 443 -j ACCEPT",
            "INPUT -i wg0 -j ACCEPT",
            "INPUT ! -s 192.0.2.1/32 -j ACCEPT",
            "FORWARD -p tcp -m tcp --dport 443 -j ACCEPT",
        ]:
            with self.subTest(rule=rule):
                self.assertIsNone(opened(f"-A {rule}"))


def visit(port: int) -> Visit:
    return Visit("10.8.0.7", "192.0.2.10", "eth0", port)


class RuleFiles(unittest.TestCase):
    BEFORE = """\
*nat
-A PREROUTING -p tcp --dport 443 -j ACCEPT
COMMIT
*filter
:ufw-before-input - [0:0]
# web
-A ufw-before-input --protocol tcp --destination-port https --jump ACCEPT
-A ufw-before-input -p tcp --dport nonsense -j ACCEPT
-A ufw-before-input -s nowhere.example -j ACCEPT
-A ufw-before-input -p tcp --dport :22 -j DROP
COMMIT
"""

    def test_parses_hand_written_rules_and_names_the_line(self) -> None:
        # Names of services are in /etc/services, which the smallest installations lack; so do names in their rules.
        def port_of(name: str, _protocol: str) -> int:
            if name != "https":
                raise OSError("service/proto not found")
            return 443

        with mock.patch("socket.getservbyname", port_of):
            found = by_chain(parse_entries(self.BEFORE.splitlines(), "iptables", "before.rules"))
        self.assertEqual(list(found), ["ufw-before-input"])
        self.assertEqual(len(found["ufw-before-input"]), 2)
        entry = find_opening(found, ["ufw-before-input"], 443, OUTSIDE)
        assert entry is not None
        line = "-A ufw-before-input --protocol tcp --destination-port https --jump ACCEPT"
        self.assertEqual(entry.place, f"line 7 of before.rules, `{line}`,")

    def test_finds_what_decides_about_a_connection(self) -> None:
        chain = parse_entries(self.BEFORE.splitlines(), "iptables", "before.rules")
        found = find_verdict(chain, visit(22))
        assert found is not None
        self.assertIn("line 10 of", found.place)
        self.assertIsNone(find_verdict(chain, visit(23)))
        cases = [
            ("DROP", ["-A a -s 10.9.0.0/16 -j ACCEPT", "-A a -p tcp --dport 22 -j DROP"]),
            ("ACCEPT", ["-A a -s 10.8.0.0/16 -i eth0 -p tcp --dport 22 -j ACCEPT", "-A a -j DROP"]),
            ("ACCEPT", ["-A a -d 192.0.2.10 -p tcp --dport 22 -j ACCEPT", "-A a -j DROP"]),
            ("DROP", ["-A a -i eth1 -p tcp --dport 22 -j ACCEPT", "-A a -j DROP"]),
            ("DROP", ["-A a -p tcp --sport 53 --dport 22 -j ACCEPT", "-A a -j DROP"]),
            ("DROP", ["-A a -p tcp -m recent --rcheck --name KNOCK -j ACCEPT", "-A a -j DROP"]),
            (None, ["-A a -m recent --update --name SSH -j DROP", "-A a -p tcp --dport 22 -j ACCEPT"]),
            ("ACCEPT", ["-A a -m rt --rt-type 0 -j DROP", "-A a -p tcp --dport 22 -j ACCEPT"]),
            (None, ["-A a -p tcp --dport 22 -j allowed"]),
        ]
        for target, lines in cases:
            with self.subTest(lines=lines):
                found = find_verdict(parse_entries(lines, "iptables"), visit(22))
                self.assertEqual(None if found is None else found.target, target)

    def test_finds_nothing_in_the_distributions_own_files(self) -> None:
        folder = Path("/etc/ufw")
        for name in ("before.rules", "after.rules", "before6.rules", "after6.rules"):
            if (folder / name).exists():
                tool = "ip6tables" if "6" in name else "iptables"
                found = by_chain(parse_entries((folder / name).read_text().splitlines(), tool, name))
                self.assertIsNone(find_opening(found, list(found), 443, OUTSIDE))


if __name__ == "__main__":
    unittest.main()
