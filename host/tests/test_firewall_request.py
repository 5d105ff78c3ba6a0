import unittest
from typing import TYPE_CHECKING

from agent.errors import RefusedError
from agent.firewall.request import Needs, parse_request, upstreams

if TYPE_CHECKING:
    from agent.payloads import FirewallPayload, FirewallPayloadSite

OWNER = "immich-access/home/zone/"


def site(hostname: str, port: int | None = None) -> "FirewallPayloadSite":
    return {"hostname": hostname, "serves": "immich", "upstreamPort": port}


def payload(*sites: "FirewallPayloadSite") -> "FirewallPayload":
    return {
        "owner": OWNER,
        "sites": list(sites),
        "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
        "sshPort": 22,
        "dockerPublishedPort": "refuse",
        "confirmSeconds": 120,
    }


class ParseRequest(unittest.TestCase):
    def test_reads_a_payload(self) -> None:
        request = parse_request(payload(site("photos.example.com")))
        self.assertEqual((request.ssh_port, request.ranges.ipv6), (22, ["2400:cb00::/32"]))
        self.assertEqual(request.needs, {"photos.example.com": Needs("immich", 22, None, None, OWNER)})

    def test_drops_a_published_port_only_where_that_is_asked_for(self) -> None:
        told = payload(site("photos.example.com", 2283), site("album.example.com"))
        self.assertIsNone(parse_request(told).needs["photos.example.com"].dropped_port)
        told["dockerPublishedPort"] = "drop"
        needs = parse_request(told).needs
        self.assertEqual(needs["photos.example.com"].dropped_port, 2283)
        self.assertIsNone(needs["album.example.com"].dropped_port)

    def test_finds_the_sites_on_this_host(self) -> None:
        shares: FirewallPayloadSite = {"hostname": "shares.example.com", "serves": "shares", "upstreamPort": 3000}
        told = payload(site("a.example.com", 2283), site("b.example.com", 2283), site("c.example.com"), shares)
        self.assertEqual(upstreams(parse_request(told).needs), [("immich", 2283), ("shares", 3000)])

    def test_refuses_a_request_that_cannot_be_applied(self) -> None:
        twice = payload(site("photos.example.com"), site("photos.example.com"))
        wide = payload(site("photos.example.com"))
        wide["ranges"]["ipv4"] = ["0.0.0.0/0"]
        for told in (twice, wide):
            with self.subTest(told=told), self.assertRaises(RefusedError):
                parse_request(told)


if __name__ == "__main__":
    unittest.main()
