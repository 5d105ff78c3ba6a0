import unittest
from typing import TYPE_CHECKING

from agent.errors import RefusedError
from agent.firewall.openings import Opening
from agent.firewall.request import Needs, parse_request

if TYPE_CHECKING:
    from agent.payloads import FirewallPayload, FirewallPayloadSite

OWNER = "immich-access/home/zone/"


def site(hostname: str, upstream: str = "127.0.0.1:2283") -> "FirewallPayloadSite":
    return {"hostname": hostname, "serves": "immich", "upstream": upstream}


def payload(*sites: "FirewallPayloadSite") -> "FirewallPayload":
    return {
        "owner": OWNER,
        "sites": list(sites),
        "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
        "sshPort": 22,
        "homeNetworks": ["192.168.1.0/24"],
        "sshFrom": ["192.168.1.0/24"],
        "keepOpen": ["8123/tcp from 192.168.1.0/24"],
        "closeOthers": True,
        "confirmSeconds": 120,
        "originPort": 443,
    }


class ParseRequest(unittest.TestCase):
    def test_reads_a_payload(self) -> None:
        request = parse_request(payload(site("photos.example.com")))
        self.assertEqual((request.ssh_port, request.ranges.ipv6), (22, ["2400:cb00::/32"]))
        opening = Opening("8123", "tcp", "192.168.1.0/24")
        needs = Needs("immich", 22, "127.0.0.1:2283", ["192.168.1.0/24"], OWNER, ["192.168.1.0/24"], [opening])
        self.assertEqual(request.needs, {"photos.example.com": needs})

    def test_reads_the_port_of_the_sites(self) -> None:
        request = parse_request({**payload(site("photos.example.com")), "originPort": 8443})
        self.assertEqual([needs.origin_ports for needs in request.needs.values()], [(8443,)])

    def test_refuses_a_request_that_cannot_be_applied(self) -> None:
        twice = payload(site("photos.example.com"), site("photos.example.com"))
        wide = payload(site("photos.example.com"))
        wide["ranges"]["ipv4"] = ["0.0.0.0/0"]
        public = payload(site("photos.example.com"))
        public["homeNetworks"] = ["192.168.1.0/24", "203.0.113.0/24"]
        nowhere = payload(site("photos.example.com", "2283"))
        for told in (twice, wide, public, nowhere):
            with self.subTest(told=told), self.assertRaises(RefusedError):
                parse_request(told)


if __name__ == "__main__":
    unittest.main()
