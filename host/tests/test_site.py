import unittest

from agent.errors import RefusedError
from agent.site import check_upstream, require_different


class Refusals(unittest.TestCase):
    """Which values are refused is in values.json."""

    def test_a_refusal_quotes_the_value(self) -> None:
        with self.assertRaises(RefusedError) as refused:
            check_upstream("$host:80")
        self.assertEqual(str(refused.exception), "'$host:80' is no upstream like 127.0.0.1:2283")

    def test_a_refusal_names_the_duplicate(self) -> None:
        require_different(["a.example", "b.example"])
        with self.assertRaisesRegex(RefusedError, "the site b.example twice"):
            require_different(["b.example", "a.example", "b.example"])


if __name__ == "__main__":
    unittest.main()
