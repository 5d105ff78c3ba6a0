import unittest

from agent.errors import HostError
from agent.ranges import check_ranges, parse_network


class CheckRanges(unittest.TestCase):
    def test_sorts_and_removes_duplicates(self) -> None:
        self.assertEqual(
            check_ranges(["198.41.128.0/17", "103.21.244.0/22\r\n", "198.41.128.0/17"], 4),
            ["103.21.244.0/22", "198.41.128.0/17"],
        )
        self.assertEqual(check_ranges(["2606:4700::/32", "2400:CB00::/32"], 6), ["2400:cb00::/32", "2606:4700::/32"])

    def test_refuses_an_empty_list_and_any_range_that_is_not_cloudflares(self) -> None:
        for ranges in ([], ["104.16.0.0/13", "0.0.0.0/0"]):
            with self.subTest(ranges=ranges), self.assertRaises(HostError):
                check_ranges(ranges, 4)

    def test_says_why_a_range_is_refused(self) -> None:
        for text, problem in (
            ("<html>", "'<html>' is no address range"),
            ("2400:cb00::/32", "2400:cb00::/32 is no IPv4 range"),
            ("8.0.0.0/7", "8.0.0.0/7 is wider than /8"),
            # Both ends of this one are on the internet; what it overlaps lies in between.
            ("172.0.0.0/8", "172.0.0.0/8 overlaps 172.16.0.0/12, which is not on the internet"),
        ):
            with self.subTest(text=text), self.assertRaises(HostError) as refused:
                parse_network(text, 4)
            self.assertEqual(str(refused.exception), problem)


if __name__ == "__main__":
    unittest.main()
