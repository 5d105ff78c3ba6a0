import unittest

from agent.errors import HostError
from agent.site import checked_hostname, checked_upstream, text


class Refusals(unittest.TestCase):
    """Which values are refused is in values.json."""

    def test_quote_the_value_and_say_that_nothing_has_changed(self) -> None:
        for check, value, problem in (
            (checked_hostname, "../etc", "'../etc' is no host name like photos.example.com"),
            (checked_upstream, "$host:80", "'$host:80' is no upstream like 127.0.0.1:2283"),
        ):
            with self.subTest(value=value), self.assertRaises(HostError) as refused:
                check(value)
            self.assertEqual(str(refused.exception), f"{problem}; nothing has been changed")


class Text(unittest.TestCase):
    def test_refuses_what_is_missing_or_no_text(self) -> None:
        for payload in ({}, {"site": None}, {"site": 5}, {"site": "  "}):
            with self.subTest(payload=payload), self.assertRaisesRegex(HostError, "'site' is no text"):
                text(payload, "site")


if __name__ == "__main__":
    unittest.main()
