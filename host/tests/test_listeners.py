import unittest
from typing import Any

from agent.display import displayable_name
from agent.listeners.engines import Port, parse_docker, parse_podman
from agent.listeners.portless import parse_raw, parse_states, parse_tunnels
from agent.listeners.publications import Publication, parse_nft_publication, parse_publications
from agent.listeners.sockets import Listener


class Portless(unittest.TestCase):
    def test_raw_sockets_of_services_and_not_those_of_pings(self) -> None:
        text = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 8562551 2
  38: 0100007F:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 8562552 2
"""
        self.assertEqual(parse_raw(text), [("vrrp", 8562552)])
        self.assertEqual(parse_raw(""), [])

    def test_tunnels(self) -> None:
        links = [
            {"ifname": "lo"},
            {"ifname": "wg0", "linkinfo": {"info_kind": "wireguard"}},
            {"ifname": "he-ipv6", "linkinfo": {"info_kind": "sit", "info_data": {"remote": "216.66.80.30"}}},
            {"ifname": "gre7", "linkinfo": {"info_kind": "ip6gretap"}},
        ]
        self.assertEqual(
            [(one.protocol, one.versions, one.holder, one.is_everywhere) for one in parse_tunnels(links)],
            [
                ("ipv6", (4,), "the kernel's tunnel he-ipv6", True),
                ("gre", (6,), "the kernel's tunnel gre7", True),
            ],
        )

    def test_ipsec_that_does_not_travel_in_udp(self) -> None:
        mode = "spi 0x00000007 reqid 1 mode tunnel\\\treplay-window 32"
        text = (
            f"src 203.0.113.9 dst 198.51.100.10 \\\tproto esp {mode}\n"
            f"src 203.0.113.8 dst 198.51.100.10 \\\tproto esp {mode}\\\tencap type espinudp sport 4500 dport 4500\n"
            f"src 2001:db8::9 dst 2001:db8::10 \\\tproto ah {mode}\n"
        )
        self.assertEqual([(one.protocol, one.versions) for one in parse_states(text)], [("esp", (4,)), ("ah", (6,))])


class Rules(unittest.TestCase):
    def test_docker(self) -> None:
        rules = [
            "-P PREROUTING ACCEPT",
            "-A DOCKER -i br-1 -j RETURN",
            "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2:2283",
            "-A DOCKER -d 192.168.1.5/32 ! -i br-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.18.0.3:8080",
            "-A DOCKER ! -i br-1 -p udp -m udp --dport 53 -j DNAT --to-destination 172.18.0.3:53",
        ]
        self.assertEqual(
            parse_publications(rules, 4),
            [
                Publication("0.0.0.0/0", 2283, "172.18.0.2", 2283),
                Publication("192.168.1.5/32", 80, "172.18.0.3", 8080),
                Publication("0.0.0.0/0", 53, "172.18.0.3", 53, "udp"),
            ],
        )

    def test_ipv6(self) -> None:
        rule = "-A DOCKER -d ::1/128 ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination [fd00::2]:3001"
        (found,) = parse_publications([rule], 6)
        self.assertEqual(found, Publication("::1/128", 2283, "fd00::2", 3001))
        self.assertEqual((found.is_local, found.version, found.endpoint), (True, 6, "[fd00::2]:3001"))

    def test_ranges_and_lists(self) -> None:
        podman = "-A NETAVARK-DN-1D87 -p tcp -m tcp --dport 8000:8002 -j DNAT --to-destination 10.88.0.2:80-82/8000"
        self.assertEqual(
            [(one.port, one.target_port) for one in parse_publications([podman], 4)],
            [(8000, 80), (8001, 81), (8002, 82)],
        )
        listed = "-A PREROUTING -p tcp -m multiport --dports 80,8443 -j DNAT --to-destination 10.0.0.2"
        self.assertEqual(
            [(one.port, one.target_port, one.target) for one in parse_publications([listed], 4)],
            [(80, 80, "10.0.0.2"), (8443, 8443, "10.0.0.2")],
        )

    def test_a_rule_for_every_port_names_none(self) -> None:
        self.assertEqual(parse_publications(["-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2"], 4), [])

    def test_nftables(self) -> None:
        match: dict[str, Any] = {
            "match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8080}
        }
        to: dict[str, Any] = {"dnat": {"family": "ip", "addr": "10.88.0.2", "port": 80}}
        self.assertEqual(
            parse_nft_publication({"expr": [match, {"counter": None}, to]}),
            [Publication("0.0.0.0/0", 8080, "10.88.0.2", 80)],
        )
        home = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "127.0.0.1"}}
        (found,) = parse_nft_publication({"expr": [home, match, to]})
        self.assertTrue(found.is_local)
        self.assertEqual(parse_nft_publication({"expr": [match, {"accept": None}]}), [])
        self.assertEqual(parse_nft_publication({"expr": [{"xt": None}]}), [])


class Engines(unittest.TestCase):
    def test_docker(self) -> None:
        (found,) = parse_docker(
            [
                {
                    "Id": "a" * 64,
                    "Names": ["/immich_server\n\x1b[2J"],
                    "Ports": [
                        {"IP": "0.0.0.0", "PrivatePort": 2283, "PublicPort": 2283, "Type": "tcp"},
                        {"IP": "::", "PrivatePort": 2283, "PublicPort": 2283, "Type": "tcp"},
                        {"IP": "127.0.0.1", "PrivatePort": 2283, "PublicPort": 9000, "Type": "tcp"},
                        {"PrivatePort": 9999, "Type": "tcp"},
                    ],
                    "Labels": {"a": "b"},
                    "NetworkSettings": {
                        "Networks": {"immich_default": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": ""}}
                    },
                }
            ]
        )
        self.assertEqual((found.name, found.addresses), ("immich_server[2J", ["172.18.0.2"]))
        self.assertEqual(
            found.ports,
            [Port("tcp", "", 2283, 2283), Port("tcp", "", 2283, 2283), Port("tcp", "127.0.0.1", 9000, 2283)],
        )

    def test_podman(self) -> None:
        ports = [{"host_ip": "", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"}]
        (found,) = parse_podman([{"Id": "b" * 64, "Names": ["web"], "Ports": ports, "Labels": None}])
        self.assertEqual((found.name, found.ports), ("web", [Port("tcp", "", 8080, 80), Port("tcp", "", 8081, 81)]))
        (bare,) = parse_podman([{"Id": "b" * 64, "Names": None, "Ports": None}])
        self.assertEqual((bare.name, bare.ports), ("b" * 12, []))


class Listeners(unittest.TestCase):
    def test_who_reaches_an_address(self) -> None:
        def at(address: str) -> tuple[bool, bool, tuple[int, ...]]:
            listener = Listener(address, 80, ("x",))
            return listener.is_everywhere, listener.is_local, listener.versions

        self.assertEqual(at("*"), (True, False, (4, 6)))
        self.assertEqual(at("0.0.0.0"), (True, False, (4,)))
        self.assertEqual(at("::"), (True, False, (6,)))
        self.assertEqual(at("127.0.0.53"), (False, True, (4,)))
        self.assertEqual(at("::1"), (False, True, (6,)))
        self.assertEqual(at("::ffff:127.0.0.1"), (False, True, (4,)))
        self.assertEqual(at("192.168.1.5"), (False, False, (4,)))

    def test_names_its_holder(self) -> None:
        self.assertEqual(Listener("*", 80, ("nginx",), unit="nginx.service").holder, "nginx (nginx.service)")
        self.assertEqual(Listener("*", 80, ("docker-proxy",), container="web").holder, "the container web")
        self.assertEqual(Listener("*", 80, ("caddy",)).holder, "caddy")

    def test_names_are_fit_to_print(self) -> None:
        self.assertEqual(displayable_name("a\x1b]0;\x07b\nc\u202ed"), "a]0;bcd")
        self.assertEqual(len(displayable_name("x" * 1000)), 100)


if __name__ == "__main__":
    unittest.main()
