import unittest

from agent.errors import RefusedError
from agent.nginx.configuration import http_block, read_text
from agent.nginx.listen import (
    IPV4,
    IPV6,
    Endpoint,
    Listen,
    cannot_reload,
    foreign_defaults,
    own_endpoints,
    read_listens,
)

MAIN = "# configuration file /etc/nginx/nginx.conf:\n"
EVERY4, EVERY6 = Endpoint(IPV4, 443), Endpoint(IPV6, 443)
ONE4, ONE6 = Endpoint("198.51.100.10", 443), Endpoint("2001:db8::1", 443)


def listens(*servers: str) -> list[Listen]:
    """Those of servers in a file of the owner's."""
    return read_listens(http_block(f"{MAIN}http {{ {' '.join(f'server {{ {one} }}' for one in servers)} }}"))


class Configuration(unittest.TestCase):
    def test_reads_words_as_nginx_does(self) -> None:
        text = r"""
        log_format a '$x "y" # no comment' "b\"c" d\ e; # a comment }
        set ${x}y#z {; if ($a ~ "\.php$") { return 200 "};"; }
        """
        first, second, third = read_text(text.replace("#z {;", "#z;"), {})
        self.assertEqual(first.arguments, ("a", '$x "y" # no comment', 'b"c', "d e"))
        self.assertEqual((second.arguments, second.line), (("${x}y#z",), 3))
        self.assertEqual([one.arguments for one in third.block or ()], [("200", "};")])

    def test_puts_included_files_in_their_places(self) -> None:
        dump = (
            f'{MAIN}http {{ include conf.d/*.conf; c on; include "/etc/nginx/sites-enabled/*"; }}\n'
            "# configuration file /etc/nginx/conf.d/b.conf:\nb on;\n"
            "# configuration file /etc/nginx/conf.d/a.conf:\n\na on;\n"
            "# configuration file /etc/nginx/sites-enabled/immich-access-x.conf:\nserver { listen 443; }\n"
        )
        http = http_block(dump)
        found = [(one.name, one.place, one.is_ours) for one in (http.block if http else None) or ()]
        self.assertEqual(
            found,
            [
                ("a", "/etc/nginx/conf.d/a.conf:2", False),
                ("b", "/etc/nginx/conf.d/b.conf:1", False),
                ("c", "/etc/nginx/nginx.conf:1", False),
                ("server", "/etc/nginx/sites-enabled/immich-access-x.conf:1", True),
            ],
        )

    def test_passes_over_lua(self) -> None:
        text = """access_by_lua_block {
            local a = "}" -- }
            local b = [==[ } ]==] .. '}' --[[ } ]]
            if a then b = { 1, { 2 } } end
        } gzip on;"""
        self.assertEqual([one.name for one in read_text(text, {})], ["access_by_lua_block", "gzip"])

    def test_refuses_what_nginx_would_not_take(self) -> None:
        for text in ("gzip", "gzip on", ";", "init_by_lua_block { {"):
            with self.assertRaises(RefusedError):
                read_text(text, {})


class Endpoints(unittest.TestCase):
    def test_are_every_address_and_those_that_others_have_for_themselves(self) -> None:
        self.assertEqual(own_endpoints([], 443, ipv6=True), [EVERY4, EVERY6])
        self.assertEqual(own_endpoints([], 443, ipv6=False), [EVERY4])
        others = listens(
            "listen 198.51.100.10:443 ssl http2; listen [2001:DB8:0::1]:443 ssl;",
            "listen 198.51.100.10:443 ssl; listen 198.51.100.10:8443 ssl; listen 127.0.0.1:443; listen [::1]:443;",
            "listen *:80; listen 80; listen localhost:443; listen unix:/run/x.sock; listen 198.51.100.11:443 quic;",
        )
        self.assertEqual(own_endpoints(others, 443, ipv6=True), [EVERY4, EVERY6, ONE4, ONE6])
        expected = [Endpoint(IPV4, 8443), Endpoint(IPV6, 8443), Endpoint("198.51.100.10", 8443)]
        self.assertEqual(own_endpoints(others, 8443, ipv6=True), expected)

    def test_leave_ipv4_to_a_listener_that_has_both(self) -> None:
        self.assertEqual(own_endpoints(listens("listen [::]:443 ssl ipv6only=off;"), 443, ipv6=True), [EVERY6])

    def test_cannot_be_shared_without_tls_or_with_another_protocol(self) -> None:
        for listen in ("443", "198.51.100.10:443", "443 ssl proxy_protocol"):
            with self.assertRaisesRegex(RefusedError, r"`listen .*` \(/etc/nginx/nginx.conf:2\) "):
                own_endpoints(listens(f"\n listen {listen};"), 443, ipv6=True)
        self.assertEqual(own_endpoints(listens("listen 443; ssl on;"), 443, ipv6=False), [EVERY4])

    def test_have_other_default_servers(self) -> None:
        found = foreign_defaults(
            listens(
                "listen *:443 ssl default_server; listen [::]:443 default; listen 80; listen 8443 ssl default_server;"
            )
        )
        self.assertEqual(found, dict.fromkeys((EVERY4, EVERY6, Endpoint(IPV4, 8443)), "/etc/nginx/nginx.conf"))

    def test_read_as_listen_takes_them(self) -> None:
        self.assertEqual([str(one) for one in (EVERY4, EVERY6, ONE4, ONE6)], [
            "443", "[::]:443", "198.51.100.10:443", "[2001:db8::1]:443",
        ])  # fmt: skip

    def test_need_a_restart_between_every_address_and_a_single_one(self) -> None:
        for bound, wanted, restart in (
            ([ONE4], [ONE4, EVERY4], True),
            ([EVERY4], [ONE4], True),
            ([EVERY4], [ONE4, EVERY4], False),
            ([EVERY4], [EVERY4, EVERY6], False),
            ([ONE4], [ONE4, EVERY6], False),
            ([ONE4], [ONE4, Endpoint("198.51.100.11", 443)], False),
            ([Endpoint(IPV4, 80)], [ONE4], False),
            ([], [ONE4, EVERY4], False),
            ([ONE6], [EVERY6, EVERY4], True),
        ):
            self.assertEqual(cannot_reload(bound, wanted), restart, (bound, wanted))


if __name__ == "__main__":
    unittest.main()
