import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from agent.errors import RefusedError
from agent.files import File, write
from agent.firewall import record
from agent.firewall.openings import parse_opening
from agent.firewall.record_fields import Armed, Change
from agent.firewall.record_versions import served_by
from agent.firewall.request import Needs, Request
from agent.ranges import Ranges

OWNER = "immich-access/home/zone/"
KEPT = [parse_opening("8123/tcp from 192.168.1.0/24")]
NEEDS = {
    "photos.example.com": Needs("immich", 22, "127.0.0.1:2283", ["192.168.1.0/24"], OWNER, ["192.168.1.0/24"], KEPT)
}
RANGES = Ranges(["173.245.48.0/20"], ["2400:cb00::/32"])
REQUEST = Request(22, NEEDS, RANGES, 120)
EARLIER_NEEDS = {"photos.example.com": Needs("immich", 22, "127.0.0.1:2283", [], OWNER, [], [])}
EARLIER_REQUEST = Request(22, EARLIER_NEEDS, RANGES, 120)

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
        "originPort": 443,
    },
    "ssh_ports": [22],
    "undone": True,
}

# As version 2 has them
NEEDS_2 = {"serves": "immich", "sshPort": 22, "upstreamPort": 2283, "droppedPort": 2283, "owner": OWNER}
SITES_2 = {
    "version": 2,
    "sites": {
        "photos.example.com": NEEDS_2,
        "album.example.com": {**NEEDS_2, "sshPort": 2222, "upstreamPort": None, "droppedPort": None},
    },
}
CHANGE_2 = {
    "version": 2,
    "number": 4,
    "request": {
        "sshPort": 22,
        "sites": {"photos.example.com": NEEDS_2},
        "ranges": {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]},
        "confirmSeconds": 120,
        "originPort": 443,
    },
    "sshPorts": [22],
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
        fields: dict[str, object] = {
            "serves": "immich",
            "sshPort": 22,
            "upstream": "127.0.0.1:2283",
            "homeNetworks": ["192.168.1.0/24"],
            "owner": OWNER,
            "sshFrom": ["192.168.1.0/24"],
            "keepOpen": ["8123/tcp from 192.168.1.0/24"],
            "originPorts": [443],
        }
        self.assertEqual(kept, {"version": 4, "sites": {"photos.example.com": fields}})

    def test_records_of_version_1_are_read(self) -> None:
        record.SITES.write_text(json.dumps(SITES_1))
        self.assertEqual(
            record.read_sites(),
            {
                "photos.example.com": Needs(None, 22, "127.0.0.1:2283", [], OWNER, [], []),
                "album.example.com": Needs(None, 2222, None, [], None, [], []),
            },
        )
        record.CHANGE.write_text(json.dumps(CHANGE_1))
        self.assertEqual(record.read_change(), Change(4, EARLIER_REQUEST, [22], undone=True))

    def test_records_of_version_2_are_read(self) -> None:
        record.SITES.write_text(json.dumps(SITES_2))
        album = Needs("immich", 2222, None, [], OWNER, [], [])
        self.assertEqual(record.read_sites(), {**EARLIER_NEEDS, "album.example.com": album})
        record.CHANGE.write_text(json.dumps(CHANGE_2))
        self.assertEqual(record.read_change(), Change(4, EARLIER_REQUEST, [22], undone=True))
        record.CHANGE.write_text(json.dumps({**CHANGE_2, "request": None}))
        self.assertEqual(record.read_change(), Change(4, None, [22], undone=True))

    def test_records_of_version_3_are_of_sites_on_port_443(self) -> None:
        kept = json.loads(self._content(record.sites_file(NEEDS)[record.SITES]))
        del kept["sites"]["photos.example.com"]["originPorts"]
        record.SITES.write_text(json.dumps({**kept, "version": 3}))
        self.assertEqual(record.read_sites(), NEEDS)

    def test_records_keep_the_ports_of_a_site(self) -> None:
        moving = {"photos.example.com": NEEDS["photos.example.com"]._replace(origin_ports=(8443, 443))}
        record.SITES.write_bytes(self._content(record.sites_file(moving)[record.SITES]))
        self.assertEqual(record.read_sites(), moving)

    def test_records_of_version_1_stay_in_it_until_the_upgrade_is_finished(self) -> None:
        record.SITES.write_text(json.dumps(SITES_1))
        record.write_change(Change(5, REQUEST, [22]))
        granted = record.sites_with(REQUEST)
        wanted = {"photos.example.com": [22, 2283, None, OWNER], "album.example.com": [2222, None, None, None]}
        write(record.SITES, record.sites_file(granted)[record.SITES])
        self.assertEqual(json.loads(record.SITES.read_text()), wanted)
        # What the agent of version 0.1.0 makes its record of
        self.assertEqual(set(json.loads(record.CHANGE.read_text())), {"number", "payload", "ssh_ports", "undone"})
        self.assertEqual(record.read_change(), Change(5, REQUEST, [22]))
        # Version 1 does not store what a site serves.
        self.assertEqual(record.read_sites(), granted)
        record.finish_upgrade()
        for path in (record.SITES, record.CHANGE):
            self.assertEqual(json.loads(path.read_text())["version"], record.VERSION)
        self.assertEqual(record.read_sites(), granted)
        self.assertEqual(record.read_change(), Change(5, REQUEST, [22]))

    def test_records_of_version_1_do_not_come_from_a_request_of_another_owner(self) -> None:
        record.SITES.write_text(json.dumps({"photos.example.com": [22, 2284, None, "another/stack"]}))
        record.write_change(Change(5, REQUEST, [22]))
        self.assertEqual(
            record.read_sites(), {"photos.example.com": Needs(None, 22, "127.0.0.1:2284", [], "another/stack", [], [])}
        )

    def test_records_that_no_upgrade_has_touched_are_not_written(self) -> None:
        record.finish_upgrade()
        self.assertFalse(record.SITES.exists())
        write(record.SITES, record.sites_file(NEEDS)[record.SITES])
        before = record.SITES.stat()
        record.finish_upgrade()
        self.assertEqual(record.SITES.stat(), before)

    def test_records_of_an_armed_change_are_in_version_1_during_an_upgrade_from_it(self) -> None:
        armed = Armed(120, {Path("/etc/ufw/ufw.conf"): None}, "boot", 1.5)
        record.SITES.write_text(json.dumps(SITES_1))
        record.write_armed(armed)
        # What version 1 makes an Armed of
        self.assertEqual(set(json.loads(record.ARMED.read_text())), {"seconds", "former", "boot", "at"})
        self.assertEqual(record.read_armed(), armed)
        record.finish_upgrade()
        record.write_armed(armed)
        self.assertEqual(json.loads(record.ARMED.read_text())["version"], record.VERSION)
        self.assertEqual(record.read_armed(), armed)

    def test_an_armed_change_remembers_the_sites_before_it(self) -> None:
        armed = Armed(120, {}, "boot", 1.5, sites=NEEDS)
        record.write_armed(armed)
        self.assertEqual(record.read_armed(), armed)
        self.assertEqual(record.sites_to_undo(), {})
        shutting = armed._replace(needs_outside=True)
        record.write_armed(shutting)
        self.assertEqual(record.read_armed(), shutting)
        record.SITES.write_text(json.dumps(SITES_1))
        self.assertIsNone(record.sites_to_undo())

    def test_records_of_a_newer_version_are_refused(self) -> None:
        record.SITES.write_text(json.dumps({"version": record.VERSION + 1, "sites": {}}))
        with self.assertRaisesRegex(RefusedError, "newer version.*: run `pulumi up` with that version, and"):
            record.read_sites()
        record.SITES.write_text(json.dumps(SITES_1))
        with mock.patch.object(record, "VERSION", record.VERSION + 1):
            record.write_change(Change(5, REQUEST, [22]))
        with self.assertRaisesRegex(RefusedError, "newer version"):
            record.read_change()

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
