import unittest
from unittest import mock

from agent.listeners import addresses

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


if __name__ == "__main__":
    unittest.main()
