import ipaddress
import unittest
from collections.abc import Callable, Collection, Sequence
from typing import Literal
from unittest import mock

from agent.firewall.guard import doors
from agent.firewall.guard.doors import Doors, doors_of, own_port
from agent.firewall.guard.publications import Endpoint, Publication
from agent.firewall.request import Needs

IMMICH = Endpoint("172.18.0.2", 2283)
IMMICH_6 = Endpoint("fd00:18::2", 2283)
GRAFANA = Endpoint("172.19.0.2", 3000)
STOCK = [Publication(None, 2283, IMMICH), Publication(None, 2283, IMMICH_6)]
OWN = {"127.0.0.1", "::1", "198.51.100.10"}


def needs(
    upstream: str | None = "127.0.0.1:2283",
    home: Sequence[str] = (),
    serves: Literal["immich", "shares"] = "immich",
) -> Needs:
    return Needs(serves, 22, upstream, home, "owner")


def found(
    *sites: Needs,
    published: Sequence[Publication] = STOCK,
    groups: Sequence[Collection[str]] = (),
    never: Collection[int] = (22, 443),
) -> Doors:
    return doors_of(sites or (needs(),), published, groups, never)


class DoorsOf(unittest.TestCase):
    def setUp(self) -> None:
        names: dict[str, list[str]] = {
            "localhost": ["127.0.0.1"],
            "immich.lan": ["192.168.1.7"],
            "gone.lan": [],
        }

        def addresses(host: str) -> list[str]:
            return names.get(host, [host])

        def replace(name: str, function: Callable[[str], object]) -> None:
            patch = mock.patch.object(doors, name, function)
            patch.start()
            self.addCleanup(patch.stop)

        replace("is_own", OWN.__contains__)
        replace("_addresses", addresses)

    def test_know_the_port_as_published_and_within_the_container(self) -> None:
        for upstream in ("127.0.0.1:2283", "[::1]:2283", "198.51.100.10:2283", "localhost:2283"):
            with self.subTest(upstream=upstream):
                one = found(needs(upstream))
                self.assertEqual((one.host_ports, one.container_ports), ({2283}, {2283}))
                self.assertEqual(one.endpoints, {IMMICH, IMMICH_6})

    def test_follow_the_container_to_its_other_ports(self) -> None:
        more = [*STOCK, Publication(None, 8080, IMMICH), Publication("192.168.1.5", 9999, IMMICH_6)]
        self.assertEqual(found(published=more).host_ports, {2283, 8080, 9999})
        self.assertEqual(found(needs("127.0.0.1:8080"), published=more).host_ports, {2283, 8080, 9999})
        # Another port within the same container is another service.
        metrics = Publication(None, 8081, Endpoint(IMMICH.address, 8081))
        self.assertEqual(found(published=[*STOCK, metrics]).host_ports, {2283})

    def test_know_one_container_by_all_its_addresses(self) -> None:
        only_ipv6 = [STOCK[0], Publication("2001:db8::5", 9999, IMMICH_6)]
        self.assertEqual(found(published=only_ipv6).host_ports, {2283})
        self.assertEqual(
            found(published=only_ipv6, groups=[[IMMICH.address, IMMICH_6.address]]).host_ports, {2283, 9999}
        )

    def test_follow_an_upstream_that_is_the_container_or_another_target(self) -> None:
        self.assertEqual(found(needs("172.18.0.2:2283")).host_ports, {2283})
        self.assertEqual(found(needs("[fd00:18::2]:2283")).host_ports, {2283})
        forwarded = [Publication(None, 8080, Endpoint("192.168.1.7", 2283))]
        for upstream in ("192.168.1.7:2283", "immich.lan:2283"):
            self.assertEqual(found(needs(upstream), published=forwarded).host_ports, {8080})
            self.assertEqual(found(needs(upstream), published=[]).host_ports, set())

    def test_close_the_container_also_while_it_is_not_there(self) -> None:
        one = found(needs("172.18.0.2:2283"), published=[])
        self.assertEqual((one.host_ports, one.container_ports, one.endpoints), (set(), {2283}, {IMMICH}))
        one = found(published=[])
        self.assertEqual((one.host_ports, one.container_ports, one.endpoints), ({2283}, {2283}, set()))

    def test_take_a_name_that_nobody_knows_for_the_host_s_own(self) -> None:
        self.assertEqual(found(needs("gone.lan:2283"), published=[]).host_ports, {2283})

    def test_take_the_publication_that_the_upstream_leads_to(self) -> None:
        two = [Publication("127.0.0.1", 2283, IMMICH), Publication("192.168.1.5", 2283, GRAFANA)]
        self.assertEqual(found(published=two).endpoints, {IMMICH})

    def test_leave_other_containers_alone(self) -> None:
        grafana = Publication(None, 3001, GRAFANA)
        self.assertEqual(found(published=[*STOCK, grafana]), found())
        # One with the same port within is told apart by its published port.
        proxied = [Publication(None, 8080, Endpoint("172.18.0.2", 3000)), grafana]
        one = found(needs("127.0.0.1:8080"), published=proxied)
        self.assertEqual((one.container_ports, one.others), ({2283, 3000}, {3001}))
        # Shares are public by themselves: their container is closed at its address only.
        shares = [Publication(None, 3000, Endpoint("172.18.0.4", 3000)), grafana]
        one = found(needs("127.0.0.1:3000", serves="shares"), published=shares)
        self.assertEqual((one.host_ports, one.container_ports, one.others), ({3000}, set(), set()))
        self.assertEqual(one.endpoints, {Endpoint("172.18.0.4", 3000)})

    def test_never_close_ssh_or_nginx(self) -> None:
        odd = [*STOCK, Publication(None, 22, IMMICH), Publication("127.0.0.2", 443, IMMICH)]
        self.assertEqual(found(published=odd).host_ports, {2283})

    def test_give_home_networks_the_ports_of_their_site(self) -> None:
        home, vpn = "192.168.1.0/24", "100.64.0.0/10"
        one = found(needs(home=[home]), needs("127.0.0.1:2284", [vpn]), published=[])
        self.assertEqual(one.home, {(ipaddress.ip_network(home), 2283), (ipaddress.ip_network(vpn), 2284)})

    def test_know_what_an_old_record_says(self) -> None:
        self.assertEqual(found(needs(None)), Doors(set(), set(), set(), set(), set()))

    def test_tell_the_own_port(self) -> None:
        self.assertEqual(own_port("198.51.100.10:2283"), 2283)
        self.assertEqual(own_port("[::1]:2283"), 2283)
        self.assertIsNone(own_port("172.18.0.2:2283"))
        self.assertIsNone(own_port(None))


if __name__ == "__main__":
    unittest.main()
