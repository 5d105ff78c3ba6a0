"""Replaces files atomically: readers see the old text or the new one, even after a power cut."""

import contextlib
import glob
import os
import threading
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
    # Closed to others until it is complete. No lock: the name is this thread's, and who can read a file can lock it.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
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
    """Replaces a file or a link with a link to the target."""
    changes.note(str(path))
    fresh = temp_path(path)
    fresh.symlink_to(target)
    fresh.replace(path)


def temp_path(path: Path) -> Path:
    """This thread's temporary path for an atomic replacement. Removes those that killed processes have left."""
    own, prefix = str(threading.get_native_id()), f".{path.name}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*new"):
        writer = left.name.removeprefix(prefix).partition(".")[0]
        # Linux knows a thread by its number below /proc as it does a process.
        if writer == own or not (writer.isdigit() and Path("/proc", writer).exists()):
            left.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{own}.new")


def files_to_change(wanted: Mapping[Path, File | None]) -> dict[Path, File | None]:
    """The wanted files whose content or mode differs on disk."""
    return {path: file for path, file in wanted.items() if read(path) != file}


@contextmanager
def files_replaced(wanted: Mapping[Path, File | None]) -> Generator[None, None, None]:
    """Replaces the files and runs the body, which verifies them; rolls back if either fails.

    Rolls back what it can: a file that cannot be written keeps no other one from it.
    """
    former = {path: read(path) for path in wanted}
    try:
        for path, file in wanted.items():
            write(path, file)
        yield
    except BaseException:
        for path, file in former.items():
            if read(path) != file:
                with contextlib.suppress(OSError):
                    write(path, file)
        raise
