import unittest
from typing import Any

from agent.errors import HostError
from agent.firewall.request import checked_request

PAYLOAD: dict[str, Any] = {
    "site": "photos.example.com",
    "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
    "sshPort": 22,
    "immichPort": None,
    "confirmSeconds": 120,
}


class CheckedRequest(unittest.TestCase):
    def test_reads_a_payload(self) -> None:
        request = checked_request(PAYLOAD)
        self.assertEqual((request.site, request.ranges.ipv6), ("photos.example.com", ["2400:cb00::/32"]))
        self.assertEqual(request.needs, (22, None, None))

    def test_drops_a_published_port_only_where_that_is_asked_for(self) -> None:
        here = {**PAYLOAD, "immichPort": 2283}
        for published, dropped in (("refuse", None), ("drop", 2283)):
            self.assertEqual(checked_request({**here, "dockerPublishedPort": published}).needs.dropped_port, dropped)
        self.assertIsNone(checked_request({**PAYLOAD, "dockerPublishedPort": "drop"}).needs.dropped_port)
        # As earlier versions of the program have left it on the host.
        self.assertIsNone(checked_request(here).needs.dropped_port)

    def test_refuses_what_cannot_be_applied(self) -> None:
        bad: list[dict[str, Any]] = [
            {"site": "photos"},
            {"ranges": None},
            {"ranges": {"ipv4": ["173.245.48.0/20"]}},
            {"ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": "2400:cb00::/32"}},
            {"ranges": {"ipv4": [None], "ipv6": ["2400:cb00::/32"]}},
            {"sshPort": 0},
            {"sshPort": True},
            {"sshPort": "22"},
            {"immichPort": 65536},
            {"confirmSeconds": 1},
            {"confirmSeconds": None},
            {"dockerPublishedPort": "accept"},
        ]
        for change in bad:
            with self.subTest(change=change), self.assertRaisesRegex(HostError, "nothing has been changed"):
                checked_request({**PAYLOAD, **change})


if __name__ == "__main__":
    unittest.main()
