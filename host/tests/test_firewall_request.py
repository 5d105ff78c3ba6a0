import unittest
from typing import Any

from agent.errors import HostError
from agent.firewall.request import checked_request, upstreams

PAYLOAD: dict[str, Any] = {
    "sites": [{"site": "photos.example.com", "serves": "immich", "upstreamPort": None}],
    "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
    "sshPort": 22,
    "confirmSeconds": 120,
}


class CheckedRequest(unittest.TestCase):
    def test_reads_a_payload(self) -> None:
        request = checked_request(PAYLOAD)
        self.assertEqual((request.ssh_port, request.ranges.ipv6), (22, ["2400:cb00::/32"]))
        self.assertEqual(request.needs, {"photos.example.com": (22, None, None, None)})
        owned = checked_request({**PAYLOAD, "owner": "immich-access/home/"}).needs["photos.example.com"]
        self.assertEqual(owned.owner, "immich-access/home/")

    def test_drops_a_published_port_only_where_that_is_asked_for(self) -> None:
        ports = {"photos.example.com": 2283, "album.example.com": None}
        sites = [{"site": site, "serves": "immich", "upstreamPort": port} for site, port in ports.items()]
        payload = {**PAYLOAD, "sites": sites}
        for published, dropped in (({"dockerPublishedPort": "drop"}, 2283), ({"dockerPublishedPort": "refuse"}, None)):
            needs = checked_request({**payload, **published}).needs
            self.assertEqual(needs["photos.example.com"].dropped_port, dropped)
            self.assertIsNone(needs["album.example.com"].dropped_port)
        # As earlier versions of the program have left it on the host.
        self.assertIsNone(checked_request(payload).needs["photos.example.com"].dropped_port)

    def test_tells_what_sites_have_on_this_host(self) -> None:
        served = [("immich", 2283), ("immich", 2283), ("immich", None), ("shares", 3000)]
        sites = [
            {"site": f"site{number}.example.com", "serves": what, "upstreamPort": port}
            for number, (what, port) in enumerate(served)
        ]
        self.assertEqual(upstreams({**PAYLOAD, "sites": sites}), [("immich", 2283), ("shares", 3000)])

    def test_refuses_what_cannot_be_applied(self) -> None:
        bad: list[dict[str, Any]] = [
            {"sites": "photos.example.com"},
            {"sites": []},
            {"sites": ["photos.example.com"]},
            {"sites": [{"site": "photos"}]},
            {"sites": [{"site": "photos.example.com"}, {"site": "photos.example.com"}]},
            {"ranges": None},
            {"ranges": {"ipv4": ["173.245.48.0/20"]}},
            {"ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": "2400:cb00::/32"}},
            {"ranges": {"ipv4": [None], "ipv6": ["2400:cb00::/32"]}},
            {"sshPort": 0},
            {"sshPort": True},
            {"sshPort": "22"},
            {"sites": [{"site": "photos.example.com", "serves": "immich", "upstreamPort": 65536}]},
            {"sites": [{"site": "photos.example.com", "serves": "files", "upstreamPort": 2283}]},
            {"confirmSeconds": 1},
            {"confirmSeconds": None},
            {"dockerPublishedPort": "accept"},
            {"owner": 7},
        ]
        for change in bad:
            with self.subTest(change=change), self.assertRaisesRegex(HostError, "nothing has been changed"):
                checked_request({**PAYLOAD, **change})


if __name__ == "__main__":
    unittest.main()
