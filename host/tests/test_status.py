"""What the daily refresh tells of itself."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from agent.errors import HostError
from agent.firewall import record, status
from agent.ranges import Ranges

RANGES = Ranges(["173.245.48.0/20"], ["2400:cb00::/32"])


class StatusTest(unittest.TestCase):
    """A refresh on a host without certificates."""

    def setUp(self) -> None:
        """Lets the file be in a folder of its own."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "status.json"
        for patch in (
            mock.patch.object(record, "STATUS", self.file),
            mock.patch.object(record, "read_ranges", return_value=RANGES),
            mock.patch.object(record, "read_sites", return_value={"photos.invalid": None}),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def told(self, *, fetched: bool = True, error: BaseException | None = None, hour: int = 0) -> dict[str, Any]:
        """What a refresh tells that ends at this hour of 1970."""
        said = io.StringIO()
        expected = contextlib.nullcontext() if error is None else self.assertRaises(type(error))
        with (
            mock.patch.object(status.time, "time", return_value=hour * 3600),
            contextlib.redirect_stdout(said),
            expected,
            status.reported() as found,
        ):
            found.guard, found.ways_in, found.fetched = True, 0, fetched
            if error is not None:
                raise error
        self.assertEqual(said.getvalue().count("\n"), 1)
        return json.loads(said.getvalue())

    def test_tells_what_was_found(self) -> None:
        """The same in the journal and in a file that all may read."""
        told = self.told(hour=1)
        self.assertEqual(
            told,
            {
                "version": 1,
                "time": "1970-01-01T01:00:00Z",
                "ok": True,
                "ranges": {"ipv4": 1, "ipv6": 1, "fetched": "1970-01-01T01:00:00Z"},
                "guardInForce": True,
                "waysIn": 0,
                "certificates": [{"hostname": "photos.invalid", "endsOn": None}],
            },
        )
        self.assertEqual(json.loads(self.file.read_text()), told)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o644)
        self.assertEqual({"version": 1, **(status.last() or {})}, told)

    def test_remembers_when_the_ranges_were_fetched(self) -> None:
        """A failure tells since when the ranges are old, and never why: everybody can read the file."""
        self.told(hour=1)
        told = self.told(fetched=False, error=HostError("caddy leads past"), hour=25)
        self.assertEqual((told["ok"], told["time"]), (False, "1970-01-02T01:00:00Z"))
        self.assertEqual(told["ranges"]["fetched"], "1970-01-01T01:00:00Z")
        self.assertNotIn("caddy", self.file.read_text())

    def test_a_full_disk_hides_nothing(self) -> None:
        """The line is in the journal all the same."""
        with mock.patch.object(status, "write", side_effect=OSError(28, "No space left on device")):
            self.assertIs(self.told()["ok"], True)
        self.assertIsNone(status.last())

    def test_a_file_that_is_none_of_ours_counts_as_none(self) -> None:
        """Neither a damaged one nor one of another version is read."""
        good = {"version": 1, **self.told()}
        for text in (
            *("", "{", "[]", "3", '{"time": "x"}', '{"version": 2, "time": "x"}', '{"version": 1}'),
            *(json.dumps({**good, **change}) for change in ({"time": "x"}, {"ranges": None}, {"ok": 1})),
        ):
            with self.subTest(text):
                self.file.write_text(text)
                self.assertIsNone(status.last())

    def test_a_field_of_a_later_agent_is_left_out(self) -> None:
        """The doctor of an older checkout reads the file as well."""
        told = self.told()
        self.file.write_text(json.dumps({**told, "later": 1}))
        del told["version"]
        self.assertEqual(status.last(), told)
