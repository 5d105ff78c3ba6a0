import json
import unittest
from unittest import mock

from agent.listeners import addresses
from agent.listeners.addresses import Route

ROUTES = {
    "/proc/net/route": """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
lan0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
*	00000000	00000000	0200	0	0	4278198272	00000000	0	0	0
""",
    "/proc/net/ipv6_route": "\n".join(
        f"{destination} {size} {'0' * 32} 00 {gateway} 00000400 00000001 00000000 {flags}    {interface}"
        for destination, size, gateway, flags, interface in (
            ("0" * 32, "00", "20010db8000000000000000000000001", "00000003", "wan6"),
            ("fd" + "0" * 30, "08", "0" * 32, "00000001", "lan0"),
            ("0" * 32, "00", "0" * 32, "00200200", "lo"),
        )
    ),
}  # fmt: skip


class Outside(unittest.TestCase):
    def setUp(self) -> None:
        addresses.outside_interfaces.cache_clear()
        self.addCleanup(addresses.outside_interfaces.cache_clear)

    def test_default_routes_of_both_versions_but_not_the_kernels_own(self) -> None:
        def lines(path: str) -> list[str]:
            return ROUTES[path].splitlines()

        with mock.patch.object(addresses, "_lines", lines):
            self.assertEqual(addresses.outside_interfaces(), {"eth0", "wan6"})

    def test_a_kernel_without_ipv6_or_routes(self) -> None:
        with mock.patch.object(addresses, "_lines", return_value=[]):
            self.assertEqual(addresses.outside_interfaces(), set())


class Routes(unittest.TestCase):
    def test_lead_to_others_and_not_to_the_host_itself(self) -> None:
        shown = {
            "-4": [
                {"dst": "default", "dev": "eth0"},
                {"dst": "192.168.1.0/24", "dev": "eth0"},
                {"dst": "10.8.0.7", "dev": "wg0"},
                {"dst": "10.9.0.0/16", "nexthops": [{"dev": "eth0"}, {"dev": "eth1"}]},
                {"type": "local", "dst": "192.168.1.10", "dev": "eth0"},
                {"type": "unreachable", "dst": "10.0.0.0/8"},
                {"dst": "127.0.0.0/8", "dev": "lo"},
            ],
            "-6": [{"dst": "default", "dev": "eth0"}, {"dst": "fe80::/64", "dev": "eth0"}],
        }

        def run(command: list[str], **_: object) -> mock.Mock:
            return mock.Mock(stdout=json.dumps(shown[command[2]]))

        addresses.routes.cache_clear()
        self.addCleanup(addresses.routes.cache_clear)
        with mock.patch.object(addresses, "run", run):
            self.assertEqual(
                addresses.routes(),
                [
                    Route("eth0", "0.0.0.0/0"),
                    Route("eth0", "192.168.1.0/24"),
                    Route("wg0", "10.8.0.7/32"),
                    Route("eth0", "10.9.0.0/16"),
                    Route("eth1", "10.9.0.0/16"),
                    Route("eth0", "::/0"),
                ],
            )


if __name__ == "__main__":
    unittest.main()
