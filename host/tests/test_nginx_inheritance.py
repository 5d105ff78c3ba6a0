import unittest
from pathlib import Path

from tests.test_nginx_text import EVERYWHERE, MODULES, SITE

from agent.nginx.configuration import Directive, http_block, read_text
from agent.nginx.inheritance import HARMLESS, REFUSED, objections
from agent.nginx.text import Nginx, site_text
from agent.site import IMMICH, SHARES

BUILD = frozenset({"with-http_auth_request_module", "with-http_addition_module"})
NGINX = Nginx((1, 30, 6), ipv6=True, build=BUILD)
RANGES = {SITE.ranges: "set_real_ip_from 192.0.2.0/24;"}
KNOWN = [
    name
    for line in Path(__file__).with_name("nginx-directives.txt").read_text().splitlines()
    if not line.startswith("#")
    for name in line.split()
]


def own(serves: str, nginx: Nginx, *, token_check: bool) -> set[str]:
    """What a site's server sets itself."""
    text = site_text(MODULES, SITE._replace(serves=serves, token_check=token_check), nginx, EVERYWHERE)
    (server,) = (one for one in read_text(text, RANGES) if one.name == "server")
    return {one.name for one in server.block or ()}


def block(*names: str) -> Directive:
    """A block `http` with these directives."""
    return Directive("http", (), "nginx.conf", 1, tuple(Directive(name, (), "nginx.conf", 7, None) for name in names))


def refused(names: list[str], own: set[str]) -> list[str]:
    """Those of the names that a site with these directives of its own must not inherit."""
    return [text.split()[0] for text in objections(block(*names), own)]


class Inheritance(unittest.TestCase):
    def test_knows_every_directive_of_debians_nginx_and_its_modules(self) -> None:
        for serves, token_check in ((IMMICH, True), (IMMICH, False), (SHARES, False)):
            mine = own(serves, NGINX, token_check=token_check)
            unknown = [text for text in objections(block(*KNOWN), mine) if "is unknown to this program" in text]
            # nginx reads `include` itself.
            self.assertEqual([text.split()[0] for text in unknown], ["include"], serves)

    def test_sets_the_same_whatever_a_site_serves(self) -> None:
        immich = own(IMMICH, NGINX, token_check=True)
        self.assertEqual(immich, own(IMMICH, NGINX, token_check=False))
        self.assertEqual(immich - own(SHARES, NGINX, token_check=False), set())

    def test_sets_what_decides_who_gets_in(self) -> None:
        text = (
            "ssl_client_certificate ssl_trusted_certificate ssl_verify_client ssl_verify_depth ssl_crl ssl_ocsp "
            "ssl_protocols ssl_ciphers ssl_session_cache ssl_session_tickets ssl_early_data ssl_conf_command "
            "error_page recursive_error_pages proxy_intercept_errors satisfy allow auth_basic auth_request "
            "proxy_cache proxy_cache_use_stale proxy_cache_background_update proxy_cache_valid proxy_ignore_headers "
            "proxy_set_header real_ip_header set_real_ip_from real_ip_recursive merge_slashes underscores_in_headers "
            "ignore_invalid_headers proxy_method proxy_store mirror add_header ssi access_log error_log"
        )
        for name in text.split():
            self.assertIn(name, own(IMMICH, NGINX, token_check=True))

    def test_knows_its_nginx(self) -> None:
        old = own(IMMICH, Nginx((1, 18, 0), ipv6=True), token_check=True)
        for name in (
            "ssl_ocsp",
            "ssl_conf_command",
            "ssl_reject_handshake",
            "proxy_cookie_flags",
            "add_header_inherit",
        ):
            self.assertNotIn(name, old)
        without = Nginx((1, 26, 3), ipv6=True, build=frozenset({"without-http_ssi_module"}))
        for name in ("ssi", "add_before_body", "auth_request"):
            self.assertNotIn(name, own(IMMICH, without, token_check=False))

    def test_takes_what_the_packages_and_most_people_write(self) -> None:
        text = """# configuration file /etc/nginx/nginx.conf:
            user www-data;
            http {
                sendfile on; tcp_nopush on; types_hash_max_size 2048; server_tokens build;
                include /etc/nginx/mime.types;
                default_type application/octet-stream;
                ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;
                access_log /var/log/nginx/access.log; error_log /var/log/nginx/error.log;
                gzip on; gzip_vary on; gzip_proxied any; gzip_types text/plain; brotli on;
                client_max_body_size 10m; keepalive_timeout 65; server_names_hash_bucket_size 64;
                limit_req_zone $binary_remote_addr zone=one:10m rate=1r/s; limit_req zone=one burst=5;
                map $http_upgrade $connection_upgrade { default upgrade; '' close; }
                log_format json escape=json '{"a": "$uri"}';
                proxy_set_header Host $host; proxy_read_timeout 5s; resolver 127.0.0.53;
                add_header Strict-Transport-Security "max-age=63072000" always;
                lua_package_path "/usr/share/lua/?.lua;;";
                init_by_lua_block { crowdsec = {} } access_by_lua_block { a() }
                upstream php { server unix:/run/php.sock; }
                server { listen 80; sub_filter a b; }
            }
# configuration file /etc/nginx/mime.types:
            types { text/html html; }
        """
        self.assertEqual(objections(http_block(text), own(IMMICH, NGINX, token_check=True)), [])

    def test_names_what_it_refuses_and_where(self) -> None:
        names = ["proxy_set_body", "post_action", "sub_filter", "rewrite_by_lua_block", "srcache_fetch"]
        mine = own(IMMICH, NGINX, token_check=True)
        self.assertEqual(refused([*names, "gzip", "whatever_it_is"], mine), [*names, "whatever_it_is"])
        self.assertEqual(
            objections(block("post_action", "future"), mine),
            [
                "post_action in the http block (nginx.conf:7) would send requests to Immich that nobody has made",
                "future in the http block (nginx.conf:7) is unknown to this program, so it may weaken the site",
            ],
        )

    def test_has_one_verdict_for_each_directive(self) -> None:
        table = [name for names in (*HARMLESS.values(), *REFUSED.values()) for name in names.split()]
        self.assertEqual(sorted(name for name in table if table.count(name) > 1), [])
        mine = own(IMMICH, NGINX, token_check=True)
        self.assertEqual([name for name in table if name in mine], [])


if __name__ == "__main__":
    unittest.main()
