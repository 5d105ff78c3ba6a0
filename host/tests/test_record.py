import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from agent.errors import RefusedError
from agent.files import File
from agent.firewall import record
from agent.firewall.record import Change
from agent.firewall.record_version_1 import served_by
from agent.firewall.request import Needs, Request
from agent.ranges import Ranges

OWNER = "immich-access/home/zone/"
NEEDS = {"photos.example.com": Needs("immich", 22, 2283, None, OWNER)}
REQUEST = Request(22, NEEDS, Ranges(["173.245.48.0/20"], ["2400:cb00::/32"]), 120)

# As version 0.1.0 has left them
SITES_1 = {"photos.example.com": [22, 2283, 2283, OWNER], "album.example.com": [2222, None, None]}
CHANGE_1 = {
    "number": 4,
    "payload": {
        "owner": OWNER,
        "sites": [{"site": "photos.example.com", "serves": "immich", "upstreamPort": 2283}],
        "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
        "sshPort": 22,
        "dockerPublishedPort": "refuse",
        "confirmSeconds": 120,
    },
    "ssh_ports": [22],
    "undone": True,
}


class Records(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("SITES", "CHANGE", "ARMED", "RANGES"):
            path = Path(folder.name, getattr(record, name).name)
            patch = mock.patch.object(record, name, path)
            patch.start()
            self.addCleanup(patch.stop)

    def test_records_are_read_as_they_were_written(self) -> None:
        change = Change(4, REQUEST, [22, 2222], undone=True)
        record.write_change(change)
        self.assertEqual(record.read_change(), change)
        record.write_change(Change())
        self.assertEqual(record.read_change(), Change())
        record.SITES.write_bytes(self._content(record.sites_file(NEEDS)[record.SITES]))
        self.assertEqual(record.read_sites(), NEEDS)

    def test_records_have_named_fields_and_a_version(self) -> None:
        kept = json.loads(self._content(record.sites_file(NEEDS)[record.SITES]))
        fields = {"serves": "immich", "sshPort": 22, "upstreamPort": 2283, "droppedPort": None, "owner": OWNER}
        self.assertEqual(kept, {"version": 2, "sites": {"photos.example.com": fields}})

    def test_records_of_version_1_are_read(self) -> None:
        record.SITES.write_text(json.dumps(SITES_1))
        self.assertEqual(
            record.read_sites(),
            {
                "photos.example.com": Needs(None, 22, 2283, 2283, OWNER),
                "album.example.com": Needs(None, 2222, None, None, None),
            },
        )
        record.CHANGE.write_text(json.dumps(CHANGE_1))
        self.assertEqual(record.read_change(), Change(4, REQUEST, [22], undone=True))

    def test_records_of_a_newer_version_are_refused(self) -> None:
        record.SITES.write_text(json.dumps({"version": 3, "sites": {}}))
        with self.assertRaisesRegex(RefusedError, "newer version"):
            record.read_sites()

    def _content(self, file: File | None) -> bytes:
        return b"" if file is None else file.content


class ServedBy(unittest.TestCase):
    def test_reads_the_first_line_of_a_site_file_of_version_0_1_0(self) -> None:
        line = "# The site photos.example.com, which serves {}, made by immich-access.\nserver {{}}"
        for what in ("immich", "shares"):
            self.assertEqual(served_by(line.format(what)), what)
        self.assertIsNone(served_by("server {}"))


if __name__ == "__main__":
    unittest.main()
