import unittest

from agent.errors import HostError
from agent.ranges import checked_ranges


class CheckedRanges(unittest.TestCase):
    def test_sorts_and_removes_duplicates(self) -> None:
        self.assertEqual(
            checked_ranges(["198.41.128.0/17", "103.21.244.0/22\r\n", "198.41.128.0/17"], 4),
            ["103.21.244.0/22", "198.41.128.0/17"],
        )
        self.assertEqual(checked_ranges(["2606:4700::/32", "2400:CB00::/32"], 6), ["2400:cb00::/32", "2606:4700::/32"])

    def test_refuses_what_would_open_the_host(self) -> None:
        bad = [[], ["0.0.0.0/0"], ["10.0.0.0/8"], ["8.0.0.0/7"], ["<html>"], ["1.2.3.4/8"], ["2400:cb00::/32"]]
        # Both ends of this one are on the internet; 172.16.0.0/12 lies in between.
        bad.append(["172.0.0.0/8"])
        for ranges in bad:
            with self.subTest(ranges=ranges), self.assertRaises(HostError):
                checked_ranges(ranges, 4)


if __name__ == "__main__":
    unittest.main()
