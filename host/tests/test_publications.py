import unittest
from collections.abc import Sequence
from typing import Any

from agent.firewall.guard.publications import Endpoint, Publication, list_tcp
from agent.listeners import publications as read
from agent.listeners.publications import parse_nft_publication, parse_proxy, parse_publications

CONTAINER = Endpoint("172.18.0.2", 2283)


def by_rules(listing: list[str], version: int = 4) -> list[Publication]:
    return list_tcp(parse_publications(listing, version))


class Publications(unittest.TestCase):
    def test_are_read_from_rules_of_iptables(self) -> None:
        # As dockerd 20 to 28, netavark and people make them; br-1 stands for the bridge of the compose project.
        cases = {
            "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2:2283": (None, 2283),
            "-A DOCKER -d 127.0.0.1/32 ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2:2283": (
                "127.0.0.1",
                2283,
            ),
            "-A DOCKER ! -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.18.0.2:2283": (None, 80),
            "-A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2": (None, 2283),
            "-A PREROUTING -d 198.51.100.0/24 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2": (
                None,
                2283,
            ),
        }
        for rule, (address, port) in cases.items():
            with self.subTest(rule=rule):
                self.assertEqual(by_rules([rule]), [Publication(address, port, CONTAINER)])
        ipv6 = "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination [fd00::2]:3001"
        self.assertEqual(by_rules([ipv6], 6), [Publication(None, 2283, Endpoint("fd00::2", 3001))])
        bare = "-A PREROUTING -p tcp -m tcp --dport 2283 -j DNAT --to-destination fd00::2"
        self.assertEqual(by_rules([bare], 6), [Publication(None, 2283, Endpoint("fd00::2", 2283))])
        several = "-A DOCKER -p tcp -m tcp --dport 2283:2285 -j DNAT --to-destination 172.18.0.2"
        self.assertEqual([one.port for one in by_rules([several])], [2283, 2284, 2285])

    def test_are_nothing_else(self) -> None:
        others = [
            "-P PREROUTING ACCEPT",
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A DOCKER -i br-1 -j RETURN",
            "-A DOCKER -p udp -m udp --dport 53 -j DNAT --to-destination 172.18.0.2:53",
            "-A PREROUTING -p tcp -m tcp --dport 7777 -j REDIRECT --to-ports 2283",
            "-A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE",
            "-A PREROUTING -p tcp -j DNAT --to-destination 172.18.0.2",
        ]
        self.assertEqual(by_rules(others), [])

    def test_without_a_known_target_lead_to_no_endpoint(self) -> None:
        self.assertEqual(list_tcp([read.Publication("0.0.0.0/0", 2283, "", 2283)]), [])

    def test_are_read_from_rules_of_nftables(self) -> None:
        def matched(protocol: str, field: str, right: object) -> dict[str, Any]:
            return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}

        port = matched("tcp", "dport", 2283)
        target: dict[str, Any] = {"dnat": {"family": "ip", "addr": "172.18.0.2", "port": 2283}}
        cases: list[tuple[list[dict[str, Any]], list[Publication]]] = [
            ([port, target], [Publication(None, 2283, CONTAINER)]),
            (
                [port, {"counter": {"packets": 0, "bytes": 0}}, {"dnat": {"addr": "172.18.0.2"}}],
                [Publication(None, 2283, CONTAINER)],
            ),
            ([matched("ip", "daddr", "127.0.0.1"), port, target], [Publication("127.0.0.1", 2283, CONTAINER)]),
            # A set or a network of addresses counts as every one: the guard then closes no less.
            ([matched("ip", "daddr", "@own"), port, target], [Publication(None, 2283, CONTAINER)]),
            (
                [matched("ip", "daddr", {"prefix": {"addr": "198.51.100.0", "len": 24}}), port, target],
                [Publication(None, 2283, CONTAINER)],
            ),
            (
                [matched("tcp", "dport", {"set": [80, {"range": [8080, 8081]}]}), target],
                [Publication(None, one, CONTAINER) for one in (80, 8080, 8081)],
            ),
            (
                [
                    matched("tcp", "dport", {"range": [8000, 8001]}),
                    {"dnat": {"addr": "172.18.0.2", "port": {"range": [90, 91]}}},
                ],
                [
                    Publication(None, 8000, Endpoint("172.18.0.2", 90)),
                    Publication(None, 8001, Endpoint("172.18.0.2", 91)),
                ],
            ),
            ([port, {"dnat": {"addr": "172.18.0.2", "port": {"map": {}}}}], [Publication(None, 2283, CONTAINER)]),
            ([matched("udp", "dport", 53), target], []),
            ([port, {"dnat": {"addr": {"map": {}}}}], []),
            ([port, {"xt": {"type": "target", "name": "DNAT"}}], []),
            ([port, {"accept": None}], []),
        ]
        for expressions, found in cases:
            with self.subTest(expressions=expressions):
                self.assertEqual(list_tcp(parse_nft_publication({"expr": expressions})), found)

    def test_are_read_from_the_command_line_of_docker_proxy(self) -> None:
        line = "-proto tcp -host-ip :: -host-port 9999 -container-ip 172.18.0.2 -container-port 2283"
        words = line.split()

        def found(arguments: Sequence[str]) -> list[Publication]:
            proxy = parse_proxy(arguments)
            return [] if proxy is None else list_tcp([proxy])

        self.assertEqual(found(words), [Publication(None, 9999, CONTAINER)])
        words[3] = "192.168.1.5"
        self.assertEqual(found([*words, "-use-listen-fd"]), [Publication("192.168.1.5", 9999, CONTAINER)])
        words[1] = "udp"
        self.assertEqual(found(words), [])
        self.assertIsNone(parse_proxy([]))


if __name__ == "__main__":
    unittest.main()
