import unittest
from collections.abc import Sequence

from agent.firewall.connection import Listener
from agent.firewall.docker import find_exposure, parse_publications

# As dockerd 20 to 28 creates them; br-1 is the bridge of the compose project.
EVERYWHERE = "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2:2283"
LOCAL = "-A DOCKER -d 127.0.0.1/32 ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination 172.18.0.2:2283"
EVERYWHERE_6 = "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination [fd00::2]:2283"
OTHER_PORT = "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:2283"
OTHER_CONTAINER = "-A DOCKER ! -i br-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.3:80"
HOOKS = [
    "-P PREROUTING ACCEPT",
    "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    "-A DOCKER -i br-1 -j RETURN",
]


PROXY = Listener("0.0.0.0", 2283, 'users:(("docker-proxy",pid=7,fd=4))')


def port(rules: list[str], listening: list[Listener] | None = None, dropped: Sequence[int] = ()) -> int | None:
    """The port on which strangers get to Immich."""
    ipv4 = parse_publications([*HOOKS, *(rule for rule in rules if rule != EVERYWHERE_6)], 4)
    ipv6 = parse_publications([rule for rule in rules if rule == EVERYWHERE_6], 6)
    found = find_exposure([*ipv4, *ipv6], listening or [], 2283, dropped)
    return None if found is None else found.port


class ExposedPorts(unittest.TestCase):
    def test_accepts_a_port_that_stays_on_the_host(self) -> None:
        self.assertIsNone(port([LOCAL, OTHER_CONTAINER]))
        self.assertIsNone(port([LOCAL], [PROXY._replace(address="127.0.0.1")]))
        self.assertIsNone(port([], [Listener("0.0.0.0", 2283, "node")]))

    def test_finds_a_port_that_bypasses_the_firewall(self) -> None:
        self.assertEqual(port([EVERYWHERE]), 2283)
        self.assertEqual(port([EVERYWHERE_6]), 2283)
        self.assertEqual(port([LOCAL, OTHER_PORT]), 8080)
        self.assertEqual(port([], [PROXY]), 2283)
        self.assertEqual(port([], [PROXY._replace(address="::")]), 2283)
        self.assertEqual(port([], [PROXY._replace(address="*")]), 2283)

    def test_a_rule_in_docker_user_closes_its_own_port_only(self) -> None:
        self.assertIsNone(port([EVERYWHERE, EVERYWHERE_6], [PROXY], [2283]))
        self.assertEqual(port([EVERYWHERE, OTHER_PORT], [PROXY], [2283]), 8080)

    def test_without_dnat_there_is_no_docker_user(self) -> None:
        self.assertEqual(port([], [PROXY], [2283]), 2283)
        self.assertEqual(port([LOCAL], [PROXY], [2283]), 2283)

    def test_knows_the_containers_port_and_the_ip_version(self) -> None:
        found = parse_publications([EVERYWHERE_6.replace("2]:2283", "2]:3001")], 6)[0]
        self.assertEqual((found.container_port, found.is_local, found.version), (3001, False, 6))


if __name__ == "__main__":
    unittest.main()
