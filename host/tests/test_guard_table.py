import ipaddress
import unittest
from pathlib import Path

from agent.firewall.guard.bridges import Bridges, sort_bridges
from agent.firewall.guard.doors import Doors
from agent.firewall.guard.home import networks_of
from agent.firewall.guard.publications import Endpoint
from agent.firewall.guard.table import closes_as_much, table_text

HOST = Path(__file__).parent.parent
NONE = Doors(set(), set(), set(), set(), set())


def link(name: str, kind: str = "", master: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {"ifname": name, "linkinfo": {"info_kind": kind} if kind else {}}
    return found if master is None else {**found, "master": master}


class Table(unittest.TestCase):
    def text(self, doors: Doors, outside: tuple[str, ...] = ()) -> str:
        return table_text({}, HOST, doors, Bridges(list(outside), []))

    def test_has_no_empty_list_of_elements(self) -> None:
        self.assertNotIn("elements", self.text(NONE))
        self.assertNotIn("$", self.text(NONE))

    def test_has_what_was_found_in_its_sets(self) -> None:
        doors = Doors({2283, 80}, {2283}, {Endpoint("172.18.0.2", 2283), Endpoint("fd00::2", 2283)}, {3001}, set())
        text = self.text(doors, ("br-lan",))
        for elements in ("{ 80, 2283 }", "{ 172.18.0.2 . 2283 }", "{ fd00::2 . 2283 }", "{ 3001 }", '{ "br-lan" }'):
            self.assertIn(f"elements = {elements}", text)

    def test_merges_home_networks_that_overlap_for_the_same_port(self) -> None:
        home = {(ipaddress.ip_network(text), 2283) for text in ("192.168.0.0/16", "192.168.1.0/24", "fd00::/64")}
        home.add((ipaddress.ip_network("192.168.1.0/24"), 3000))
        text = self.text(NONE._replace(home=home))
        self.assertIn("elements = { 192.168.0.0/16 . 2283, 192.168.1.0/24 . 3000 }", text)
        self.assertIn("elements = { fd00::/64 . 2283 }", text)

    def test_closes_as_much_when_a_container_was_made_anew(self) -> None:
        doors = Doors({2283}, {2283}, {Endpoint("172.18.0.2", 2283)}, set(), set())
        moved = doors._replace(endpoints={Endpoint("172.18.0.3", 2283)}, others={8080})
        self.assertTrue(closes_as_much(self.text(doors), self.text(moved)))
        self.assertTrue(closes_as_much(self.text(doors), self.text(doors._replace(endpoints=set()))))
        for change in (doors._replace(host_ports={2283, 9999}), doors._replace(container_ports=set())):
            self.assertFalse(closes_as_much(self.text(doors), self.text(change)))
        self.assertFalse(closes_as_much(self.text(doors), self.text(doors, ("br-lan",))))


class SortBridges(unittest.TestCase):
    LINKS = (
        link("lo"),
        link("eth0", master="br-lan"),
        link("br-lan", "bridge"),
        link("veth0", "veth", "br-lan"),
        link("br-0a1b", "bridge"),
        link("veth1", "veth", "br-0a1b"),
        link("photos", "bridge"),
        link("veth2", "veth", "photos"),
        link("br-up", "bridge"),
        link("veth3", "veth", "br-up"),
        link("virbr0", "bridge"),
        link("vnet0", "tun", "virbr0"),
        link("idle", "bridge"),
        link("named", "bridge"),
        link("docker0", "bridge"),
    )

    def test_tells_containers_from_other_networks(self) -> None:
        found = sort_bridges(self.LINKS, {"br-up", "wan0"}, {"named", "docker0", "br-lan"})
        self.assertEqual(found, Bridges(["br-lan", "br-up", "virbr0"], ["named", "photos"]))


class OwnNetworks(unittest.TestCase):
    def test_are_private_and_not_of_containers_or_tunnels(self) -> None:
        def address(text: str) -> dict[str, object]:
            local, length = text.split("/")
            return {"local": local, "prefixlen": int(length)}

        interfaces: list[dict[str, object]] = [
            {**link("eth0", master="br0"), "addr_info": []},
            {**link("br0", "bridge"), "addr_info": [address("192.168.1.5/24"), address("2001:db8::5/64"), {}]},
            {**link("veth0", "veth", "br-1"), "addr_info": []},
            {**link("br-1", "bridge"), "addr_info": [address("172.18.0.1/16")]},
            {**link("docker0", "bridge"), "addr_info": [address("172.17.0.1/16")]},
            {**link("wg0", "wireguard"), "addr_info": [address("10.8.0.1/24")]},
            {**link("eth1"), "addr_info": [address("fd12::5/64"), address("10.1.2.3/24"), address("198.51.100.7/24")]},
        ]
        self.assertEqual(networks_of(interfaces), ["192.168.1.0/24", "fd12::/64", "10.1.2.0/24"])


if __name__ == "__main__":
    unittest.main()
