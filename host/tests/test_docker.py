import unittest

from agent.firewall.connection import Listener
from agent.firewall.docker import exposed, publications

# As dockerd 20 to 28 makes them; br-1 stands for the bridge of the compose project.
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


class Exposed(unittest.TestCase):
    def port(self, rules: list[str], listening: list[Listener] | None = None) -> int | None:
        found = exposed(publications([*HOOKS, *rules]), listening or [], 2283)
        return None if found is None else found.port

    def test_accepts_what_stays_on_the_host(self) -> None:
        self.assertIsNone(self.port([LOCAL, OTHER_CONTAINER]))
        self.assertIsNone(self.port([LOCAL], [Listener("127.0.0.1", 2283, "docker-proxy")]))
        self.assertIsNone(self.port([], [Listener("0.0.0.0", 2283, "node")]))

    def test_finds_what_goes_past_the_firewall(self) -> None:
        self.assertEqual(self.port([EVERYWHERE]), 2283)
        self.assertEqual(self.port([EVERYWHERE_6]), 2283)
        self.assertEqual(self.port([LOCAL, OTHER_PORT]), 8080)
        self.assertEqual(self.port([], [Listener("*", 2283, 'users:(("docker-proxy",pid=7,fd=4))')]), 2283)
        self.assertEqual(self.port([], [Listener("::", 2283, 'users:(("docker-proxy",pid=7,fd=4))')]), 2283)

    def test_knows_the_containers_port(self) -> None:
        found = publications([EVERYWHERE_6.replace("2]:2283", "2]:3001")])[0]
        self.assertEqual((found.container_port, found.only_local), (3001, False))


if __name__ == "__main__":
    unittest.main()
