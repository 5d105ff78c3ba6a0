import json
import unittest

from agent.errors import HostError
from agent.firewall.refresh import LIMIT_BYTES, parse_answer
from agent.ranges import Ranges, check_update

FORMER = Ranges(["103.21.244.0/22", "104.16.0.0/13", "173.245.48.0/20"], ["2400:cb00::/32"])


class ParseRanges(unittest.TestCase):
    def test_parses_the_api_s_answer(self) -> None:
        body = {"success": True, "result": {"ipv4_cidrs": ["1.1.1.0/24"], "ipv6_cidrs": ["2400:cb00::/32"], "etag": ""}}
        self.assertEqual(parse_answer(json.dumps(body).encode()), {"ipv4": ["1.1.1.0/24"], "ipv6": ["2400:cb00::/32"]})

    def test_refuses_everything_else(self) -> None:
        bad = ["<html>", "[]", "{}", '{"success": true, "result": null}', '{"success": true, "result": {}}']
        bad.append('{"success": false, "result": {"ipv4_cidrs": [], "ipv6_cidrs": []}}')
        bad.append(" " * LIMIT_BYTES + "{}")
        for body in bad:
            with self.subTest(body=body[:60]), self.assertRaisesRegex(HostError, "the former ones stay"):
                parse_answer(body.encode())


class CheckUpdate(unittest.TestCase):
    def test_accepts_more_ranges_and_a_few_less(self) -> None:
        more = FORMER._replace(ipv4=[*FORMER.ipv4, "188.114.96.0/20"])
        self.assertEqual(check_update(more, FORMER), more)
        fewer = FORMER._replace(ipv4=FORMER.ipv4[:2])
        self.assertEqual(check_update(fewer, FORMER), fewer)
        self.assertEqual(check_update(FORMER, None), FORMER)

    def test_refuses_the_loss_of_half_of_the_ranges(self) -> None:
        four = FORMER._replace(ipv4=[*FORMER.ipv4, "188.114.96.0/20"])
        with self.assertRaisesRegex(HostError, "2 IPv4 ranges instead of 4"):
            check_update(FORMER._replace(ipv4=FORMER.ipv4[:2]), four)
        with self.assertRaisesRegex(HostError, "1 IPv4 ranges instead of 3"):
            check_update(FORMER._replace(ipv4=["104.16.0.0/13"]), FORMER)


if __name__ == "__main__":
    unittest.main()
