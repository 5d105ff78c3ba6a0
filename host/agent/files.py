"""Files that are replaced as wholes: whoever reads them sees the old text or the new one, also after a power cut."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


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
    """Replaces a file, owned by root, or removes it. Its folder is made if it is missing."""
    if file is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, file.mode)
            stream.write(file.content)
            stream.flush()
            os.fsync(descriptor)
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def differing(wanted: Mapping[Path, File | None]) -> dict[Path, File | None]:
    """Those of the wanted files that are not as they should be."""
    return {path: file for path, file in wanted.items() if read(path) != file}


@contextmanager
def replaced(wanted: Mapping[Path, File | None]) -> Generator[None, None, None]:
    """Puts all files in place for the body to prove; if it raises, or one cannot be written, the former come back."""
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
