"""Runs these tests and writes a line of JSON for each, for test/unit/host_agent.test.ts; --list only names them.

By hand, in host/: python3 -B -m unittest discover -s tests -t .
"""

import json
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

HOST = Path(__file__).parent.parent

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class JsonResult(unittest.TestResult):
    """Collects what went wrong in each test, its subtests included, and writes it when the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.running = False

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self.running = True

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        self.running = False
        self.write(test.id())

    def addError(self, test: unittest.TestCase, err: ExcInfo) -> None:  # noqa: N802
        super().addError(test, err)
        # A class or a module that cannot be set up or torn down: no test, so it does not begin or end either.
        if not self.running:
            self.write(test.id())

    def write(self, test_id: str) -> None:
        problems = [text for _, text in [*self.failures, *self.errors]]
        problems += ["It was expected to fail and passed." for _ in self.unexpectedSuccesses]
        skipped = [reason for _, reason in self.skipped]
        print(json.dumps({"id": test_id, "problems": problems, "skipped": skipped}), flush=True)
        for found in (self.failures, self.errors, self.unexpectedSuccesses, self.skipped):
            found.clear()


def tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def main() -> None:
    suite = unittest.defaultTestLoader.discover(str(HOST / "tests"), top_level_dir=str(HOST))
    if sys.argv[1:] == ["--list"]:
        print(json.dumps([test.id() for test in tests_in(suite)]))
    else:
        suite.run(JsonResult())


if __name__ == "__main__":
    main()
