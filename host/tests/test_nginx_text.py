import re
import unittest
from pathlib import Path

from agent.nginx.foreign_servers import foreign_sites
from agent.nginx.layout import includes
from agent.nginx.listen import IPV4, IPV6, Endpoint
from agent.nginx.text import Nginx, Site, site_text, unknown_names_text
from agent.site import IMMICH, SHARES

FOLDER = Path(__file__).parent.parent / "agent/nginx"
MODULES = {f"agent/nginx/{file.name}": file.read_text() for file in FOLDER.glob("*.conf")}
SITE = Site(
    "photos.example.com",
    IMMICH,
    "127.0.0.1:2283",
    "/etc/immich-access/photos.example.com/current",
    "/etc/nginx/ranges.conf",
    token_check=False,
    ports=(443,),
)
EVERYWHERE = [Endpoint(IPV4, 443), Endpoint(IPV6, 443)]


def directives(text: str, name: str) -> list[str]:
    """The values of a directive, in order."""
    return re.findall(rf"^\s*{name} (.*);$", text, re.MULTILINE)


class SiteFile(unittest.TestCase):
    def test_checks_tokens_if_the_site_wants_it(self) -> None:
        nginx = Nginx((1, 22, 1), ipv6=True)
        self.assertEqual(directives(site_text(MODULES, SITE, nginx, EVERYWHERE), "auth_request"), [])
        text = site_text(MODULES, SITE._replace(token_check=True), nginx, EVERYWHERE)
        self.assertEqual(directives(text, "auth_request"), ["/.immich-access/token", "off"])
        # The whole token: another one could end in the same signature.
        self.assertEqual(directives(text, "proxy_cache_key"), ["$http_cf_access_jwt_assertion"])

    def test_enables_http2_in_the_form_of_the_nginx_version(self) -> None:
        for version in ((1, 18, 0), (1, 22, 1), (1, 25, 0)):
            text = site_text(MODULES, SITE, Nginx(version, ipv6=True), EVERYWHERE)
            self.assertEqual(directives(text, "listen"), ["443 ssl http2", "[::]:443 ssl http2"], version)
            self.assertEqual(directives(text, "http2"), [], version)
        for version in ((1, 25, 1), (1, 26, 3), (2, 0, 0)):
            text = site_text(MODULES, SITE, Nginx(version, ipv6=True), EVERYWHERE)
            self.assertEqual(directives(text, "listen"), ["443 ssl", "[::]:443 ssl"], version)
            self.assertEqual(directives(text, "http2"), ["on"], version)

    def test_listens_at_the_given_endpoints(self) -> None:
        for version, options in (((1, 18, 0), "ssl http2"), ((1, 26, 3), "ssl")):
            endpoints = [EVERYWHERE[0], Endpoint("198.51.100.10", 443), Endpoint("2001:db8::1", 443)]
            text = site_text(MODULES, SITE, Nginx(version, ipv6=False), endpoints)
            expected = [f"{one} {options}" for one in ("443", "198.51.100.10:443", "[2001:db8::1]:443")]
            self.assertEqual(directives(text, "listen"), expected)

    def test_names_only_its_own_site_and_upstream(self) -> None:
        text = site_text(MODULES, SITE, Nginx((1, 22, 1), ipv6=True), EVERYWHERE)
        self.assertEqual(directives(text, "server_name"), ["photos.example.com"])
        self.assertEqual(directives(text, "proxy_pass"), ["http://127.0.0.1:2283"])
        self.assertNotIn("default_server", text)
        self.assertNotIn("@", text)

    def test_forwards_only_listed_paths_of_shares_in_normalised_form(self) -> None:
        site = SITE._replace(name="shares.example.com", serves=SHARES, upstream="127.0.0.1:3000")
        text = site_text(MODULES, site, Nginx((1, 22, 1), ipv6=True), EVERYWHERE)
        self.assertEqual(directives(text, "server_name"), ["shares.example.com"])
        self.assertEqual(directives(text, "ssl_verify_client"), ["on"])
        locations = re.findall(r"location (?:= |\^~ |)(\S+) \{\s+(.*);", text)
        passed = {place: what.removeprefix("proxy_pass ") for place, what in locations}
        for place in ("/", "/s"):
            self.assertEqual(passed.pop(place, None), "return 404")
        self.assertEqual(passed, {place: f"http://127.0.0.1:3000{place}" for place in passed})
        self.assertEqual(sorted(passed), ["/favicon.ico", "/robots.txt", "/s/", "/share", "/share/"])
        self.assertNotIn("@", text)

    def test_is_stable_for_the_same_site(self) -> None:
        nginx = Nginx((1, 22, 1), ipv6=True)
        self.assertEqual(site_text(MODULES, SITE, nginx, EVERYWHERE), site_text(MODULES, SITE, nginx, EVERYWHERE))


class UnknownNamesFile(unittest.TestCase):
    def test_rejects_the_handshake_if_nginx_can(self) -> None:
        for version in ((1, 19, 4), (1, 22, 1), (1, 26, 3)):
            text = unknown_names_text(MODULES, Nginx(version, ipv6=True), EVERYWHERE, "/dummy.pem")
            self.assertEqual(directives(text, "ssl_reject_handshake"), ["on"], version)
            self.assertNotIn("/dummy.pem", text, version)
            self.assertEqual(directives(text, "return"), ["444"], version)

    def test_closes_the_connection_if_nginx_cannot_reject_the_handshake(self) -> None:
        for version in ((1, 18, 0), (1, 19, 3)):
            text = unknown_names_text(MODULES, Nginx(version, ipv6=True), EVERYWHERE[:1], "/dummy.pem")
            self.assertNotIn("ssl_reject_handshake", text, version)
            self.assertEqual(directives(text, "ssl_certificate"), ["/dummy.pem"], version)
            self.assertEqual(directives(text, "ssl_certificate_key"), ["/dummy.pem"], version)
            self.assertEqual(directives(text, "return"), ["444"], version)

    def test_is_the_default_for_the_given_endpoints_only(self) -> None:
        for endpoints, listen in ((EVERYWHERE[:1], ["443"]), (EVERYWHERE[1:], ["[::]:443"])):
            text = unknown_names_text(MODULES, Nginx((1, 22, 1), ipv6=True), endpoints, "/dummy.pem")
            self.assertEqual(directives(text, "listen"), [f"{address} ssl default_server" for address in listen])


class ForeignSites(unittest.TestCase):
    def test_names_foreign_files_with_a_server_for_the_name(self) -> None:
        dump = "\n".join(
            [
                "# configuration file /etc/nginx/nginx.conf:",
                "http { include sites-enabled/*; }",
                "# configuration file /etc/nginx/sites-enabled/immich:",
                "server { listen 443 ssl; server_name www.example.com",
                "  photos.example.com; }",
                "# configuration file /etc/nginx/sites-enabled/immich-access-photos.example.com.conf:",
                "server { server_name photos.example.com; }",
                "# configuration file /etc/nginx/sites-enabled/other:",
                "server { server_name other.photos.example.com; # server_name photos.example.com;",
                "}",
            ]
        )
        self.assertEqual(foreign_sites(dump, "photos.example.com"), ["/etc/nginx/sites-enabled/immich"])


class Includes(unittest.TestCase):
    def test_parses_the_packages_configuration(self) -> None:
        folder = Path("/etc/nginx/sites-enabled")
        for line in (
            "\tinclude /etc/nginx/sites-enabled/*;",
            "  include sites-enabled/*.conf;",
            'http { include "/etc/nginx/sites-enabled/*"; }',
        ):
            self.assertTrue(includes(f"user www-data;\n{line}\n", folder), line)
        for line in (
            "  # include /etc/nginx/sites-enabled/*;",
            "  include /etc/nginx/sites-enabled/blog;",
            "  include /etc/nginx/conf.d/*.conf;",
            "  include /srv/sites-enabled/*;",
        ):
            self.assertFalse(includes(f"user www-data;\n{line}\n", folder), line)


if __name__ == "__main__":
    unittest.main()
