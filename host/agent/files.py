"""Replaces files atomically: readers see the old text or the new one, even after a power cut."""

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent import changes


class File(NamedTuple):
    """What a file holds and who may read it."""

    content: bytes
    mode: int = 0o644


def read(path: Path) -> File | None:
    """A file's content and mode, or None where there is no file."""
    try:
        with path.open("rb") as stream:
            return File(stream.read(), os.fstat(stream.fileno()).st_mode & 0o7777)
    except FileNotFoundError:
        return None


def write(path: Path, file: File | None) -> None:
    """Replaces a file, owned by root, or removes it. Creates a missing folder."""
    if file is None:
        if path.exists():
            changes.note(str(path))
        path.unlink(missing_ok=True)
        return
    changes.note(str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = temp_path(path)
    with os.fdopen(_open_locked(fresh), "wb") as stream:
        try:
            os.fchmod(stream.fileno(), file.mode)
            stream.write(file.content)
            stream.flush()
            os.fsync(stream.fileno())
            fresh.rename(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def write_link(path: Path, target: Path | str) -> None:
    """Replaces a file or a link with a link to the target. The caller must hold the step lock."""
    changes.note(str(path))
    fresh = temp_path(path)
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def temp_path(path: Path) -> Path:
    """Temporary path for an atomic replace.

    It is fixed, so a killed process leaves one file at most, which the next write reuses.
    """
    return path.with_name(f".{path.name}.new")


def _open_locked(path: Path) -> int:
    """Opens the temporary file under an exclusive lock; retries if it was renamed meanwhile."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            there = path.lstat().st_ino
        except FileNotFoundError:
            there = None
        if there == os.fstat(descriptor).st_ino:
            os.ftruncate(descriptor, 0)
            return descriptor
        os.close(descriptor)


def files_to_change(wanted: Mapping[Path, File | None]) -> dict[Path, File | None]:
    """The wanted files whose content or mode differs on disk."""
    return {path: file for path, file in wanted.items() if read(path) != file}


@contextmanager
def files_replaced(wanted: Mapping[Path, File | None]) -> Generator[None, None, None]:
    """Replaces the files and runs the body, which verifies them; rolls back if either fails."""
    former = {path: read(path) for path in wanted}
    try:
        for path, file in wanted.items():
            write(path, file)
        yield
    except BaseException:
        for path, file in former.items():
            if read(path) != file:
                write(path, file)
        raise
