import fcntl
import os
import tempfile
import threading
import unittest
from pathlib import Path

from agent.files import File, read, temp_path, write, write_link


class WriteFile(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "etc" / "file"

    def test_replaces_a_file_and_its_mode(self) -> None:
        for file in (File(b"a longer text\n"), File(b"secret\n", 0o600), None):
            write(self.path, file)
            self.assertEqual(read(self.path), file)
        self.assertEqual(list(self.path.parent.iterdir()), [])

    def test_reuses_the_temporary_file_of_a_killed_process(self) -> None:
        self.path.parent.mkdir()
        # Of this process, of one that has ended, and as version 0.1.0 named them
        leftovers = [temp_path(self.path), self.path.with_name(".file.4194305.new"), self.path.with_name(".file.new")]
        for left in leftovers:
            left.write_text("the first half of a much longer text")
        write(self.path, File(b"whole\n", 0o600))
        self.assertEqual(read(self.path), File(b"whole\n", 0o600))
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])
        temp_path(self.path).symlink_to("/nowhere")
        write_link(self.path, "other")
        self.assertEqual(str(self.path.readlink()), "other")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_leaves_alone_what_another_process_is_writing(self) -> None:
        self.path.parent.mkdir()
        theirs = self.path.with_name(f".file.{os.getppid()}.new")
        theirs.write_text("not complete yet")
        write(self.path, File(b"whole\n"))
        self.assertTrue(theirs.exists())

    def test_waits_for_nobody_who_has_locked_what_a_killed_process_left(self) -> None:
        self.path.parent.mkdir()
        left = self.path.with_name(".file.new")
        left.write_text("the first half")
        with left.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            writer = threading.Thread(target=write, args=(self.path, File(b"whole\n")), daemon=True)
            writer.start()
            writer.join(10)
            self.assertEqual(read(self.path), File(b"whole\n"))

    def test_removes_the_temporary_file_if_it_cannot_be_renamed(self) -> None:
        self.path.mkdir(parents=True)
        with self.assertRaises(OSError):
            write(self.path, File(b"text\n"))
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_concurrent_writers_leave_a_whole_file(self) -> None:
        texts = [str(writer).encode() * 50_000 for writer in range(4)]
        writers = [threading.Thread(target=self._write_often, args=(text,)) for text in texts]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            found = read(self.path)
            self.assertTrue(found is None or found.content in texts)
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def _write_often(self, text: bytes) -> None:
        for _ in range(10):
            write(self.path, File(text))


if __name__ == "__main__":
    unittest.main()
