import unittest
from collections.abc import Mapping, Sequence
from typing import cast
from unittest import mock

from tests.test_rules import rule

from agent.errors import RefusedError
from agent.files import File
from agent.firewall import passage, ssh_access, ssh_unclear, ssh_ways
from agent.firewall.chains import Entry, parse_entries
from agent.firewall.connection import Connection
from agent.firewall.rules import SSH, Rule
from agent.firewall.ssh_access import SshAccess, SshNetworks, SshPorts
from agent.firewall.ssh_ways import names_of, spans
from agent.firewall.ufw import CONFIGURATION, DEFAULTS, Files, Ufw
from agent.listeners.addresses import Own, Route
from agent.listeners.sockets import Listener


def files(enabled: str = "yes", policy: str = "drop", ipv6: str = "yes") -> Files:
    """ufw's files, as far as they are read here."""
    return {
        CONFIGURATION: File(f"ENABLED={enabled}\n".encode()),
        DEFAULTS: File(f'DEFAULT_INPUT_POLICY="{policy.upper()}"\nIPV6={ipv6}\n'.encode()),
    }


LAN = "192.168.1.0/24"
OPEN = ["-P INPUT ACCEPT"]
SHUT = ["-P INPUT DROP"]
TO_22 = "-p tcp -m tcp --dport 22"


class _Ufw:
    def rule(self, _version: int, port: int, source: str, comment: str) -> Rule:
        return rule("allow", str(port), source, destination="::/0" if ":" in source else "0.0.0.0/0", comment=comment)


class OnTheHost(unittest.TestCase):
    def setUp(self) -> None:
        self.sshd = [Listener("0.0.0.0", 22, ("sshd",)), Listener("::", 22, ("sshd",))]
        self.listings: dict[int, list[str]] = {4: OPEN, 6: OPEN}
        self.frames: list[str] = []
        self.shut_out: list[str] = []
        here = Connection("127.0.0.1", "127.0.0.1", 22)
        owned = [Own("192.168.1.10", "lan0", True, True), Own("2001:db8:77::10", "lan0", True, True)]
        self.routes = [
            *(Route("lan0", "0.0.0.0/0"), Route("lan0", LAN)),
            *(Route("wg0", "10.8.0.0/24"), Route("lan0", "::/0")),
        ]
        self.patch(ssh_access, "this_connection", lambda: here)
        self.patch(ssh_ways, "listeners", lambda: self.sshd)
        self.patch(ssh_ways, "own_addresses", lambda: owned)
        self.patch(ssh_ways, "routes", lambda: self.routes)
        self.patch(ssh_ways.kernel, "filter_rules", self.filter_rules)
        self.patch(ssh_ways.kernel, "versions", lambda: [4, 6])
        for module in (ssh_access, ssh_ways, passage):
            self.patch(module, "frame_entries", self.frame_entries)
        for module in (ssh_ways, ssh_unclear, passage):
            self.patch(module, "is_installed", mock.Mock(return_value=True))
        self.ruleset: list[dict[str, object]] = []
        self.patch(ssh_unclear, "nft_ruleset", lambda: self.ruleset)

    def patch(self, where: object, name: str, value: object) -> None:
        patch = mock.patch.object(where, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def filter_rules(self, version: int) -> list[str]:
        return self.listings[version]

    def frame_entries(self, version: int) -> list[Entry]:
        return parse_entries(self.frames if version == 4 else [], "iptables")

    def added(
        self,
        *rules: Rule,
        six: Sequence[Rule] = (),
        networks: Sequence[str] = (),
        is_changed: bool = False,
        ports: SshPorts | None = None,
        before: Files | None = None,
    ) -> list[str]:
        """The sources of our rules. `shut_out` has whom all rules together then keep out."""
        on_22 = SshPorts([22], [])
        access = SshAccess(ports or on_22, SshNetworks(networks, is_changed=is_changed), before or files())
        existing: Mapping[int, Sequence[Rule]] = {4: rules, 6: six}
        ours = access.rules(cast("Ufw", _Ufw()), existing)
        theirs = {version: [one for one in listed if not one.is_ours] for version, listed in existing.items()}
        access.check({version: [*theirs[version], *ours[version]] for version in existing})
        self.shut_out = names_of(access.shut_out)
        return [f"{one.ports} {one.source}" for listed in ours.values() for one in listed]

    def test_leaves_an_active_ufw_as_it_is(self) -> None:
        for own in ([], [rule("allow", "22", LAN)], [rule("allow", "22")], [rule("deny", "22")]):
            with self.subTest(rules=own):
                self.assertEqual(self.added(*own), [])
                self.assertEqual(self.shut_out, [])

    def test_keeps_open_what_is_open_to_everyone_without_a_firewall(self) -> None:
        off = files("no")
        self.assertEqual(self.added(before=off), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.added(rule("allow", "22"), before=off), ["22 ::/0"])
        # A rule that its owner has made for later would shut the others out.
        self.assertEqual(self.added(rule("allow", "22", LAN), before=off), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.shut_out, [])

    def test_keeps_open_what_ufws_default_policy_has_let_in(self) -> None:
        self.assertEqual(self.added(before=files(policy="accept")), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.added(before=files(policy="accept", ipv6="no")), ["22 0.0.0.0/0"])
        self.assertEqual(self.shut_out, [])

    def test_is_no_wider_than_rules_of_the_kernel(self) -> None:
        self.listings = {4: [*SHUT, f"-A INPUT -s {LAN} {TO_22} -j ACCEPT"], 6: SHUT}
        self.assertEqual(self.added(before=files("no")), [f"22 {LAN}"])
        self.listings[4] = [*SHUT, f"-A INPUT -i wg0 {TO_22} -j ACCEPT"]
        self.assertEqual(self.added(before=files("no")), ["22 10.8.0.0/24"])
        self.listings[4] = [*OPEN, f"-A INPUT -s {LAN} {TO_22} -j ACCEPT", f"-A INPUT {TO_22} -j REJECT"]
        self.assertEqual(self.added(before=files("no")), [f"22 {LAN}"])
        self.assertEqual(self.added(rule("allow", "22", "192.168.0.0/16"), before=files("no")), [])
        self.assertEqual(self.shut_out, [])

    def test_asks_who_may_come_in_where_the_rules_cannot_tell(self) -> None:
        """A guess would lock the owner out, or let strangers in, once such rules are gone."""
        accept = f"-A INPUT {TO_22} -j ACCEPT"
        for rules in (
            ["-A INPUT -p tcp -m tcp --dport 22 -m recent --update --seconds 60 --hitcount 4 -j DROP", accept],
            ["-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT"],
            ["-A INPUT -m iprange --src-range 192.0.2.1-192.0.2.9 -j ACCEPT"],
            ["-A INPUT ! -i ppp0 -j ACCEPT"],
            ["-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP", accept],
            ["-A INPUT -m set --match-set friends src -j ACCEPT"],
            ["-A INPUT -j MYFW", f"-A MYFW -s {LAN} {TO_22} -j ACCEPT", "-A MYFW -j DROP"],
        ):
            with self.subTest(rules[0]):
                self.listings[4] = ["-P INPUT DROP", *rules]
                with self.assertRaisesRegex(RefusedError, "cannot be told from `iptables -A .*sshFrom"):
                    self.added(before=files("no"))
                self.assertEqual(self.added(networks=[LAN], before=files("no")), [f"22 {LAN}"])
                self.assertEqual(self.added(rule("allow", "22", LAN, comment=SSH), before=files("no")), [f"22 {LAN}"])
        self.listings[4] = OPEN
        chain = {"family": "inet", "table": "mine", "name": "in", "hook": "input", "type": "filter", "policy": "drop"}
        self.ruleset = [{"chain": chain}]
        with self.assertRaisesRegex(RefusedError, "told from nftables' chain in of the table inet mine"):
            self.added(before=files("no"))

    def test_bans_of_single_addresses_do_not_count(self) -> None:
        self.listings[4] = [
            *OPEN,
            "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
            "-A f2b-sshd -s 192.0.2.9/32 -j REJECT --reject-with icmp-port-unreachable",
            "-A f2b-sshd -j RETURN",
        ]
        self.assertEqual(self.added(before=files("no")), ["22 0.0.0.0/0", "22 ::/0"])

    def test_what_a_vpn_lets_in_is_not_opened_by_every_interface(self) -> None:
        """A default route through a VPN sends everyone's answers there."""
        self.routes.append(Route("wg0", "0.0.0.0/0"))
        self.listings = {4: [*SHUT, "-A INPUT -i wg0 -j ACCEPT", f"-A INPUT -s {LAN} {TO_22} -j ACCEPT"], 6: SHUT}
        with self.assertRaisesRegex(RefusedError, "reach SSH by the interface wg0 only"):
            self.added(before=files("no"))
        self.assertEqual(self.added(networks=[LAN], before=files("no")), [f"22 {LAN}"])

    def test_adds_nothing_where_nobody_comes_in_from_outside(self) -> None:
        self.sshd = [Listener("127.0.0.1", 22, ("sshd",)), Listener("::1", 22, ("sshd",))]
        self.assertEqual(self.added(rule("deny", "22"), networks=["10.9.0.0/16"], before=files("no")), [])
        self.sshd = [Listener("0.0.0.0", 22, ("sshd",))]
        self.listings = {4: SHUT, 6: SHUT}
        self.assertEqual(self.added(before=files("no")), [])
        self.assertEqual(self.shut_out, [])

    def test_keeps_rules_of_ours_as_they_are(self) -> None:
        narrow = rule("allow", "22", LAN, comment=SSH)
        self.assertEqual(self.added(narrow), [f"22 {LAN}"])
        wide = rule("allow", "22", comment=SSH)
        self.assertEqual(self.added(wide), ["22 0.0.0.0/0"])
        self.assertEqual(self.added(narrow, is_changed=True), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.shut_out, [])

    def test_tells_whom_a_narrower_setting_shuts_out(self) -> None:
        wide = [rule("allow", "22", comment=SSH)]
        self.assertEqual(self.added(*wide, networks=[LAN], is_changed=True), [f"22 {LAN}"])
        self.assertEqual(self.shut_out, ["the internet"])
        two = [rule("allow", "22", network, comment=SSH) for network in (LAN, "10.8.0.0/24")]
        self.assertEqual(self.added(*two, networks=[LAN], is_changed=True), [f"22 {LAN}"])
        self.assertEqual(self.shut_out, ["10.8.0.0/24"])
        self.assertEqual(
            self.added(*two, networks=["192.168.0.0/16", "10.8.0.0/16"]), ["22 192.168.0.0/16", "22 10.8.0.0/16"]
        )
        self.assertEqual(self.shut_out, [])

    def test_tells_whom_another_port_shuts_out(self) -> None:
        self.sshd = [Listener("0.0.0.0", 22, ("sshd",)), Listener("0.0.0.0", 2222, ("sshd",))]
        former = [rule("allow", "22", LAN, comment=SSH)]
        self.added(*former, ports=SshPorts([2222], []))
        self.assertEqual(self.shut_out, [LAN])

    def test_does_not_mind_a_second_port_of_sshd_that_is_shut(self) -> None:
        self.sshd = [Listener("0.0.0.0", 22, ("sshd",)), Listener("0.0.0.0", 2222, ("sshd",))]
        self.assertEqual(self.added(before=files("no")), ["22 0.0.0.0/0"])
        self.assertEqual(self.shut_out, [])

    def test_tells_whom_a_rule_of_the_owner_shuts_out_once_ufw_is_on(self) -> None:
        self.added(rule("deny", "any", "10.8.0.0/24", protocol="any"), before=files("no"))
        self.assertEqual(self.shut_out, ["10.8.0.0/24"])
        self.frames = [f"-A ufw-before-input -s {LAN} {TO_22} -j DROP"]
        self.added(before=files("no"))
        self.assertEqual(self.shut_out, [LAN])

    def test_refuses_a_rule_of_the_owner_that_shuts_everyone_out_once_ufw_is_on(self) -> None:
        with self.assertRaisesRegex(RefusedError, "blocks SSH on port 22"):
            self.added(rule("deny", "22"), before=files("no"))


class Spans(unittest.TestCase):
    def test_are_the_parts_into_which_sources_divide_a_network(self) -> None:
        sources = ["10.0.0.4/30", "10.0.0.6/31", "10.1.0.0/16", "::/0", "0.0.0.0/0"]
        start = 10 << 24
        self.assertEqual(
            spans(sources, "10.0.0.0/28"),
            [(start, start + 3), (start + 4, start + 5), (start + 6, start + 7), (start + 8, start + 15)],
        )


if __name__ == "__main__":
    unittest.main()
