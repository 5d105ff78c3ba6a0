import unittest
from collections.abc import Mapping, Sequence
from typing import cast
from unittest import mock

from tests.test_rules import rule

from agent.errors import RefusedError
from agent.files import File
from agent.firewall import connection, ssh_access
from agent.firewall.chains import Entry, parse_entries
from agent.firewall.connection import Connection
from agent.firewall.rules import SSH, Rule
from agent.firewall.ssh_access import SshAccess, SshNetworks, SshPorts, ssh_ports
from agent.firewall.ufw import CONFIGURATION, Files, Ufw
from agent.listeners.sockets import Listener

ACTIVE: Files = {CONFIGURATION: File(b"ENABLED=yes\n")}
INACTIVE: Files = {CONFIGURATION: File(b"ENABLED=no\n")}
ON_22 = SshPorts([22], [])


class _Ufw:
    def rule(self, _version: int, port: int, source: str, comment: str) -> Rule:
        return rule("allow", str(port), source, destination="::/0" if ":" in source else "0.0.0.0/0", comment=comment)


class Access(unittest.TestCase):
    def setUp(self) -> None:
        self.connection: Connection | None = Connection("10.8.0.7", "10.8.0.1", 22)
        self.listing: list[str] = ["-P INPUT ACCEPT"]
        self.frames: list[str] = []
        self._patch(ssh_access, "this_connection", lambda: self.connection)
        self._patch(ssh_access, "frame_entries", self._frames)
        self._patch(ssh_access.kernel, "filter_rules", self._listing)
        self._patch(connection, "run", mock.Mock(return_value=mock.Mock(stdout="10.8.0.7 dev lan0 src 10.8.0.1")))

    def _listing(self, _version: int) -> list[str]:
        return self.listing

    def _frames(self, version: int) -> list[Entry]:
        return parse_entries(self.frames if version == 4 else [], "iptables")

    def _patch(self, where: object, name: str, value: object) -> None:
        patch = mock.patch.object(where, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def added(
        self,
        *rules: Rule,
        six: Sequence[Rule] = (),
        networks: Sequence[str] = (),
        others: Sequence[Sequence[str]] = (),
        is_changed: bool = False,
        ports: SshPorts = ON_22,
        files: Files = ACTIVE,
    ) -> list[str]:
        """The sources of our rules; checks that the connection gets in with them."""
        access = SshAccess(ports, SshNetworks(networks, others, is_changed), files)
        existing: Mapping[int, Sequence[Rule]] = {4: rules, 6: six}
        ours = access.rules(cast("Ufw", _Ufw()), existing)
        foreign = {version: [one for one in listed if not one.is_ours] for version, listed in existing.items()}
        access.check({version: [*foreign[version], *ours[version]] for version in existing})
        return [f"{one.ports} {one.source}" for listed in ours.values() for one in listed]

    def test_adds_nothing_where_a_rule_of_the_owner_lets_this_connection_in(self) -> None:
        for own in (
            rule("allow", "22", "10.8.0.0/29"),
            rule("allow", "22", "10.8.0.7"),
            rule("limit", "22"),
            rule("allow", "any", "10.0.0.0/8", protocol="any"),
            rule("allow", "22", interface="lan0"),
            rule("allow", "22", interface="lan+"),
            rule("allow", "20:30", destination="10.8.0.1"),
        ):
            with self.subTest(rule=own):
                self.assertEqual(self.added(own), [])

    def test_lets_everyone_in_where_nothing_lets_this_connection_in(self) -> None:
        for own in (
            rule("allow", "22", "10.9.0.0/16"),
            rule("allow", "22", interface="wg0"),
            rule("allow", "22", destination="198.51.100.1"),
            rule("allow", "22", source_ports="1000"),
            rule("allow", "22", protocol="udp"),
            rule("allow", "22", incoming=False),
            rule("allow", "2222"),
        ):
            with self.subTest(rule=own):
                self.assertEqual(self.added(own), ["22 0.0.0.0/0", "22 ::/0"])

    def test_judges_a_connection_over_ipv6_by_the_rules_for_ipv6(self) -> None:
        self.connection = Connection("2001:db8:8::7", "2001:db8:8::1", 22)
        narrow = rule("allow", "22", "2001:db8:8::/64", destination="::/0")
        self.assertEqual(self.added(rule("allow", "22"), six=[narrow]), [])
        self.assertEqual(self.added(rule("allow", "22")), ["22 0.0.0.0/0", "22 ::/0"])

    def test_lets_in_whom_the_setting_names(self) -> None:
        self.assertEqual(self.added(networks=["10.8.0.0/16", "fd00::/8"]), ["22 10.8.0.0/16", "22 fd00::/8"])
        self.assertEqual(self.added(rule("allow", "22", "10.8.0.0/24"), networks=["172.16.0.0/12"]), [])
        with self.assertRaisesRegex(RefusedError, "neither your own rules nor sshFrom allow 10.8.0.7, .* port 22"):
            self.added(networks=["192.168.1.0/24"])

    def test_keeps_a_rule_of_ours_that_somebody_else_may_have_come_in_by(self) -> None:
        ours, own = rule("allow", "22", comment=SSH), rule("allow", "22", "10.8.0.0/24")
        self.assertEqual(self.added(ours, own), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.added(ours, own, networks=["10.0.0.0/8"]), ["22 10.0.0.0/8"])

    def test_stays_as_narrow_as_it_was_added(self) -> None:
        ours = rule("allow", "22", "10.8.0.0/16", comment=SSH)
        self.assertEqual(self.added(ours), ["22 10.8.0.0/16"])
        self.assertEqual(self.added(ours, is_changed=True), ["22 0.0.0.0/0", "22 ::/0"])

    def test_adds_up_with_what_other_stacks_say(self) -> None:
        everyone, lan = rule("allow", "22", comment=SSH), rule("allow", "22", "10.8.0.0/16", comment=SSH)
        # Neither shuts the other one's way in, nor is opened wider for it.
        self.assertEqual(self.added(everyone, networks=["10.8.0.0/16"], others=[[]]), ["22 0.0.0.0/0", "22 ::/0"])
        self.assertEqual(self.added(lan, others=[["10.8.0.0/16"]]), ["22 10.8.0.0/16"])
        self.assertEqual(
            self.added(networks=["10.8.0.0/16"], others=[["172.16.0.0/12"]]), ["22 10.8.0.0/16", "22 172.16.0.0/12"]
        )
        self.assertEqual(self.added(others=[["172.16.0.0/12"]]), ["22 0.0.0.0/0", "22 ::/0"])

    def test_refuses_what_would_shut_this_connection_out(self) -> None:
        with self.assertRaisesRegex(
            RefusedError, "`deny 22 from 0.0.0.0/0` blocks SSH on port 22; run `ufw delete deny"
        ):
            self.added(rule("deny", "22"))
        with self.assertRaisesRegex(
            RefusedError, "`deny any from 10.8.0.0/16` blocks 10.8.0.7, where you connect from"
        ):
            self.added(rule("deny", "any", "10.8.0.0/16", protocol="any"))
        friend = rule("allow", "22", "10.8.0.7")
        self.assertEqual(self.added(friend, rule("deny", "22")), [])
        self.assertEqual(self.added(friend, six=[rule("deny", "22", "::/0", destination="::/0")]), [])

    def test_reads_the_files_around_ufws_rules(self) -> None:
        self.frames = ["-A ufw-before-input -s 10.8.0.0/16 -p tcp --dport 22 -j ACCEPT"]
        self.assertEqual(self.added(rule("deny", "22")), [])
        self.frames = ["-A ufw-before-input -s 10.8.0.0/16 -p tcp --dport 22 -j DROP"]
        with self.assertRaisesRegex(RefusedError, "blocks 10.8.0.7, where you connect from; delete it"):
            self.added(rule("allow", "22"))

    def test_is_as_narrow_as_a_rule_of_the_kernel_that_a_boot_may_take_away(self) -> None:
        self.listing = ["-P INPUT DROP", "-A INPUT -s 10.8.0.0/16 -p tcp -m tcp --dport 22 -j ACCEPT"]
        self.assertEqual(self.added(files=INACTIVE), ["22 10.8.0.0/16"])
        self.listing = ["-P INPUT ACCEPT", *self.listing[1:], "-A INPUT -p tcp -m tcp --dport 22 -j REJECT"]
        self.assertEqual(self.added(files=INACTIVE), ["22 10.8.0.0/16"])
        self.assertEqual(self.added(files=INACTIVE, networks=["10.0.0.0/8"]), ["22 10.0.0.0/8"])
        for everyone in (
            ["-P INPUT ACCEPT", self.listing[1]],
            ["-P INPUT DROP", "-A INPUT -p tcp --dport 22 -j ACCEPT"],
        ):
            self.listing = everyone
            self.assertEqual(self.added(files=INACTIVE), ["22 0.0.0.0/0", "22 ::/0"])

    def test_needs_a_rule_for_everyone_where_the_connection_is_not_known(self) -> None:
        self.connection = None
        self.assertEqual(self.added(rule("allow", "22", "10.8.0.0/16")), ["22 0.0.0.0/0", "22 ::/0"])
        six = rule("allow", "22", "::/0", destination="::/0")
        self.assertEqual(self.added(rule("limit", "22"), six=[six]), [])

    def test_keeps_the_way_in_of_the_hosts_other_sites(self) -> None:
        ports = SshPorts([22], [2222])
        own = [rule("allow", "22"), rule("allow", "2222", "172.16.0.0/12")]
        self.assertEqual(self.added(*own, ports=ports), [])
        self.assertEqual(self.added(own[0], ports=ports), ["2222 0.0.0.0/0", "2222 ::/0"])
        self.assertEqual(
            self.added(*own, rule("allow", "2222", comment=SSH), ports=ports), ["2222 0.0.0.0/0", "2222 ::/0"]
        )


class Ports(unittest.TestCase):
    def ports(self, asked: int, connection: Connection | None, *listening: int, others: Sequence[int] = ()) -> SshPorts:
        found = [Listener("0.0.0.0", port, ("sshd",)) for port in listening]
        with (
            mock.patch.object(ssh_access, "listeners", lambda: found),
            mock.patch.object(ssh_access, "this_connection", lambda: connection),
        ):
            return ssh_ports(asked, others)

    def test_are_those_of_the_connection_whatever_a_router_forwards(self) -> None:
        here = Connection("192.0.2.7", "10.0.0.2", 22)
        self.assertEqual(self.ports(40022, here, 22), SshPorts([22], []))
        # The router's port 443 leads to sshd; the host's own is nginx's.
        self.assertEqual(self.ports(443, here, 22, 443), SshPorts([22], []))

    def test_are_the_dialled_one_too_where_something_here_forwards_it(self) -> None:
        self.assertEqual(self.ports(2222, Connection("::1", "::1", 22), 22, 2222), SshPorts([22, 2222], []))
        self.assertEqual(self.ports(2222, None, 22, 2222), SshPorts([2222], []))

    def test_of_other_sites_count_if_something_listens(self) -> None:
        here = Connection("192.0.2.7", "10.0.0.2", 22)
        self.assertEqual(self.ports(22, here, 22, 2222, others=[22, 2222, 2200]), SshPorts([22], [2222]))

    def test_refuses_a_port_on_which_nothing_listens(self) -> None:
        with self.assertRaisesRegex(RefusedError, "nothing listens on port 2222 of this host"):
            self.ports(2222, None, 22)


if __name__ == "__main__":
    unittest.main()
