import unittest

from agent import changes


class Remembered(unittest.TestCase):
    def test_what_was_read_is_read_anew_after_a_change(self) -> None:
        reads: list[int] = []

        @changes.until_changed
        def read(number: int) -> int:
            reads.append(number)
            return len(reads)

        self.assertEqual([read(4), read(4), read(6)], [1, 1, 2])
        changes.note("a file of the test's")
        self.assertEqual([read(4), read(4)], [3, 3])
        changes.read_anew()
        self.assertEqual(read(4), 4)
        self.assertEqual(reads, [4, 6, 4, 4])


if __name__ == "__main__":
    unittest.main()
