import unittest
from unittest import mock

from agent.firewall.guard import doors
from agent.firewall.guard.publications import list_tcp
from agent.listeners.addresses import Own
from agent.listeners.publications import Publication
from agent.ways_in import http2, upstreams
from agent.ways_in.nginx_servers import Server, foreign_servers
from agent.ways_in.upstreams import ANY, Targets, Upstream

IMMICH = Upstream("immich", "127.0.0.1:2283")
OWN = [Own("198.51.100.10", "wan0", True, True), Own("2001:db8::10", "wan0", True, True)]
CONTAINER = Publication("0.0.0.0/0", 2283, "172.18.0.2", 2283)


def _looked_up(host: str) -> list[str]:
    return ["192.168.1.20"] if host == "nas.lan" else [host]


def targets(endpoint: str = IMMICH.endpoint, published: tuple[Publication, ...] = ()) -> Targets:
    with (
        mock.patch("agent.listeners.addresses.own_addresses", lambda: OWN),
        mock.patch.object(upstreams, "published", lambda: list_tcp(published)),
        mock.patch.object(upstreams, "groups", list[str]),
        mock.patch.object(doors, "_addresses", _looked_up),
    ):
        return Targets([Upstream("immich", endpoint)])


def leads(known: Targets, host: str, port: str) -> bool:
    with mock.patch("agent.listeners.addresses.own_addresses", lambda: OWN):
        return known.find(host, port) is not None


def servers(http: str, known: Targets | None = None) -> list[Server]:
    dump = f"# configuration file /etc/nginx/nginx.conf:\n{http}\n"
    with mock.patch("agent.listeners.addresses.own_addresses", lambda: OWN):
        return foreign_servers(dump, known or targets())


class Places(unittest.TestCase):
    def test_every_address_of_the_host_is_the_host(self) -> None:
        known = targets()
        for host in ("127.0.0.1", "127.0.0.9", "localhost", "0.0.0.0", "[::1]", "198.51.100.10", "[2001:db8::10]", ANY):
            self.assertTrue(leads(known, host, "2283"), host)
        self.assertTrue(leads(known, "127.0.0.1", ANY))
        self.assertFalse(leads(known, "127.0.0.1", "8080"))
        self.assertFalse(leads(known, "192.168.1.20", "2283"))
        self.assertFalse(leads(known, ANY, ANY))

    def test_a_container_and_the_port_that_leads_to_it_are_one(self) -> None:
        for endpoint in ("127.0.0.1:2283", "198.51.100.10:2283", "172.18.0.2:2283"):
            known = targets(endpoint, (CONTAINER, CONTAINER._replace(port=8080)))
            for host, port in (("127.0.0.1", "2283"), ("172.18.0.2", "2283"), ("localhost", "8080")):
                self.assertTrue(leads(known, host, port), (endpoint, host, port))
            self.assertFalse(leads(known, "172.18.0.3", "2283"))

    def test_another_machine_is_itself(self) -> None:
        known = targets("192.168.1.20:2283")
        self.assertTrue(leads(known, "192.168.1.20", "2283"))
        self.assertFalse(leads(known, "127.0.0.1", "2283"))
        self.assertTrue(leads(targets("nas.lan:2283"), "NAS.lan", "2283"))


class Servers(unittest.TestCase):
    def upstream(self, text: str) -> bool:
        (server,) = servers(text)
        return server.upstream is not None

    def test_pass_requests_on_in_many_ways(self) -> None:
        for text in (
            "server { location / { proxy_pass http://127.0.0.1:2283; } }",
            "server { location / { proxy_pass http://127.0.0.1:2283/; } }",
            "server { location /a { location /a/b { if ($x) { proxy_pass https://localhost:2283; } } } }",
            "upstream a { server [::1]:2283 weight=2; } server { location / { proxy_pass http://a; } }",
            "server { set $t 127.0.0.1:2283; location / { proxy_pass http://$t; } }",
            "server { set $p 2283; location / { set $h 127.0.0.1; proxy_pass http://$h:${p}$request_uri; } }",
            "map $host $u { a a; } upstream a { server [::1]:2283; } server { location / { proxy_pass http://$u; } }",
            "server { location / { proxy_pass $scheme://127.0.0.1:2283; } }",
            "server { location / { proxy_pass http://$host:2283; } }",
        ):
            self.assertTrue(self.upstream(f"http {{ {text} }}"), text)
        self.assertTrue(self.upstream("stream { server { listen 8443; proxy_pass 127.0.0.1:2283; } }"))

    def test_lead_elsewhere(self) -> None:
        for text in (
            "server { location / { proxy_pass http://127.0.0.1:8080; } }",
            "server { location / { proxy_pass http://unix:/run/x.sock; } }",
            "server { location / { proxy_pass http://192.168.1.20:2283; } }",
            "server { location / { proxy_pass http://$host; } }",
            "server { location / { return 301 https://127.0.0.1:2283; } }",
            "server { # proxy_pass http://127.0.0.1:2283;\n location / { root /var/www; } }",
        ):
            self.assertFalse(self.upstream(f"http {{ {text} }}"), text)

    def test_are_where_they_listen(self) -> None:
        def listens(text: str) -> list[tuple[object, ...]]:
            (server,) = servers(f"http {{ server {{ {text} }} }}")
            return [tuple(one) for one in server.listens]

        self.assertEqual(listens(""), [("*", 80, 80, (4,), False)])
        self.assertEqual(listens("listen 443 ssl default_server;"), [("*", 443, 443, (4,), True)])
        self.assertEqual(listens("listen [::]:443 ssl ipv6only=off;"), [("*", 443, 443, (4, 6), False)])
        self.assertEqual(listens("listen [2001:db8::10]:80;"), [("2001:db8::10", 80, 80, (6,), False)])
        self.assertEqual(listens("listen 127.0.0.1;"), [("127.0.0.1", 80, 80, (4,), False)])
        self.assertEqual(listens("listen *:8000-8010;"), [("*", 8000, 8010, (4,), False)])
        self.assertEqual(listens("listen unix:/run/nginx.sock;"), [])

    def test_for_the_home_network_alone(self) -> None:
        def is_for_home(rules: str, http: str = "", location: str = "") -> bool:
            place = f"location / {{ {location} proxy_pass http://127.0.0.1:2283; }}"
            (server,) = servers(f"http {{ {http} server {{ {rules} {place} }} }}")
            return server.is_for_home

        self.assertTrue(is_for_home("allow 192.168.0.0/16; allow fd00::/8; deny all;"))
        self.assertFalse(is_for_home("allow 0.0.0.0/1; allow 128.0.0.0/1; deny all;"))
        self.assertFalse(is_for_home("set_real_ip_from 173.245.48.0/20; allow 192.168.0.0/16; deny all;"))
        (server,) = servers("http { server { return 301 https://photos.example.org; } }")
        self.assertFalse(server.is_for_home)
        self.assertTrue(is_for_home("", http="allow 10.0.0.0/8; deny all;"))
        self.assertFalse(is_for_home(""))
        self.assertFalse(is_for_home("allow 192.168.0.0/16;"))
        self.assertFalse(is_for_home("allow 104.16.0.0/13; deny all;"))
        self.assertFalse(is_for_home("deny 1.2.3.4; allow all;"))
        self.assertFalse(is_for_home("allow 192.168.0.0/16; deny all; satisfy any;"))
        # A visitor's own header would decide.
        self.assertFalse(is_for_home("allow 192.168.0.0/16; deny all;", http="real_ip_header X-Forwarded-For;"))
        # The location's own rules take the place of the server's.
        self.assertFalse(is_for_home("allow 192.168.0.0/16; deny all;", location="allow all;"))

    def test_ours_are_left_out(self) -> None:
        dump = (
            "# configuration file /etc/nginx/nginx.conf:\nhttp { include sites-enabled/*; }\n"
            "# configuration file /etc/nginx/sites-enabled/immich-access-photos.example.com.conf:\n"
            "server { location / { proxy_pass http://127.0.0.1:2283; } }\n"
            "# configuration file /etc/nginx/sites-enabled/old:\n\n\n"
            "server { location / { proxy_pass http://127.0.0.1:2283; } }\n"
        )
        with mock.patch("agent.listeners.addresses.own_addresses", lambda: OWN):
            (server,) = foreign_servers(dump, targets())
        self.assertEqual(server.place, "/etc/nginx/sites-enabled/old:3")


class Http2(unittest.TestCase):
    def test_reads_a_response(self) -> None:
        def frame(kind: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
            return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

        settings = frame(4, 0, b"", 0)
        self.assertTrue(http2.is_settings(settings))
        self.assertFalse(http2.is_settings(b"HTTP/1.1 200 OK\r\n"))
        whole = settings + frame(1, 4, b"\x88\x00") + frame(0, 0, b"po") + frame(0, 1 | 8, b"\x02ng\0\0")
        self.assertEqual(http2.read(whole), (True, b"pong", True))
        self.assertEqual(http2.read(whole[:-3]), (True, b"po", False))
        self.assertEqual(http2.read(settings + frame(1, 5, b"\x8d")), (False, b"", True))


if __name__ == "__main__":
    unittest.main()
