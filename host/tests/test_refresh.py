import json
import unittest

from agent.errors import HostError
from agent.firewall.refresh import LIMIT_BYTES, ranges_in
from agent.ranges import Ranges, checked_update

FORMER = Ranges(["103.21.244.0/22", "104.16.0.0/13", "173.245.48.0/20"], ["2400:cb00::/32"])


class RangesIn(unittest.TestCase):
    def test_reads_the_api_s_answer(self) -> None:
        body = {"success": True, "result": {"ipv4_cidrs": ["1.1.1.0/24"], "ipv6_cidrs": ["2400:cb00::/32"], "etag": ""}}
        self.assertEqual(ranges_in(json.dumps(body).encode()), {"ipv4": ["1.1.1.0/24"], "ipv6": ["2400:cb00::/32"]})

    def test_refuses_everything_else(self) -> None:
        bad = ["<html>", "[]", "{}", '{"success": true, "result": null}', '{"success": true, "result": {}}']
        bad.append('{"success": false, "result": {"ipv4_cidrs": [], "ipv6_cidrs": []}}')
        bad.append(" " * LIMIT_BYTES + "{}")
        for body in bad:
            with self.subTest(body=body[:60]), self.assertRaisesRegex(HostError, "the former ones stay"):
                ranges_in(body.encode())


class CheckedUpdate(unittest.TestCase):
    def test_accepts_growth_and_the_loss_of_some(self) -> None:
        more = FORMER._replace(ipv4=[*FORMER.ipv4, "188.114.96.0/20"])
        self.assertEqual(checked_update(more, FORMER), more)
        fewer = FORMER._replace(ipv4=FORMER.ipv4[:2])
        self.assertEqual(checked_update(fewer, FORMER), fewer)
        self.assertEqual(checked_update(FORMER, None), FORMER)

    def test_refuses_half_of_them(self) -> None:
        four = FORMER._replace(ipv4=[*FORMER.ipv4, "188.114.96.0/20"])
        with self.assertRaisesRegex(HostError, "2 IPv4 ranges instead of 4"):
            checked_update(FORMER._replace(ipv4=FORMER.ipv4[:2]), four)
        with self.assertRaisesRegex(HostError, "1 IPv4 ranges instead of 3"):
            checked_update(FORMER._replace(ipv4=["104.16.0.0/13"]), FORMER)


if __name__ == "__main__":
    unittest.main()
