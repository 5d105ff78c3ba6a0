import json
import unittest
from pathlib import Path

from tests.values import JUDGES, accepts

TABLE = json.loads((Path(__file__).parent / "values.json").read_text(encoding="utf-8"))


class Values(unittest.TestCase):
    def test_the_table_has_every_kind(self) -> None:
        self.assertEqual(set(TABLE), set(JUDGES))

    def test_the_agent_accepts_the_same_values_as_the_settings(self) -> None:
        for kind, verdicts in TABLE.items():
            for verdict, values in verdicts.items():
                for value in values:
                    with self.subTest(kind=kind, value=value):
                        self.assertEqual(accepts(kind, value), verdict == "accepted")


if __name__ == "__main__":
    unittest.main()
