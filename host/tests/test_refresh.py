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
        more = Ranges([*FORMER.ipv4, "188.114.96.0/20", "104.24.0.0/14"], FORMER.ipv6)
        more = more._replace(
            ipv4=sorted(more.ipv4, key=lambda text: [int(part) for part in text.split("/")[0].split(".")])
        )
        self.assertEqual(check_update(more, FORMER), more)
        fewer = FORMER._replace(ipv4=FORMER.ipv4[:2])
        self.assertEqual(check_update(fewer, FORMER), fewer)
        self.assertEqual(check_update(FORMER, None), FORMER)

    def test_refuses_twice_the_addresses(self) -> None:
        many = FORMER._replace(ipv4=[*FORMER.ipv4, *(f"188.114.{part}.0/24" for part in range(9))])
        self.assertEqual(check_update(many, FORMER), many)
        with self.assertRaisesRegex(HostError, "4 IPv4 ranges instead of 3, with 298 % of their addresses"):
            check_update(FORMER._replace(ipv4=[*FORMER.ipv4, "108.0.0.0/12"]), FORMER)
        with self.assertRaisesRegex(HostError, "1 IPv6 ranges instead of 1, with 800 % of their addresses"):
            check_update(FORMER._replace(ipv6=["2400:cb00::/29"]), FORMER)
        eights = [f"{first}.0.0.0/8" for first in range(1, 224) if first not in (10, 100, 127, 169, 172, 192, 198, 203)]
        self.assertEqual(len(eights), 215)
        with self.assertRaisesRegex(HostError, "215 IPv4 ranges instead of 3"):
            check_update(FORMER._replace(ipv4=eights), FORMER)
        with self.assertRaisesRegex(HostError, "the 215 IPv4 ranges have 84 % of all addresses"):
            check_update(FORMER._replace(ipv4=eights), None)

    def test_refuses_the_loss_of_half_of_the_ranges(self) -> None:
        four = FORMER._replace(ipv4=[*FORMER.ipv4, "188.114.96.0/20"])
        with self.assertRaisesRegex(HostError, "2 IPv4 ranges instead of 4"):
            check_update(FORMER._replace(ipv4=FORMER.ipv4[:2]), four)
        with self.assertRaisesRegex(HostError, "1 IPv4 ranges instead of 3"):
            check_update(FORMER._replace(ipv4=["104.16.0.0/13"]), FORMER)


if __name__ == "__main__":
    unittest.main()
