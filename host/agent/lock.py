"""The step lock: one step runs at a time on a host, whichever user started it.

Only root can open the lock's file: whoever may read a file can lock it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import RefusedError

LOCK = Path("/run/immich-access.lock")


@contextmanager
def lock_held(step: str, path: Path = LOCK, patience: float = 30) -> Generator[None, None, None]:
    """Holds the step lock while the body runs. The kernel releases it when the process ends, even if killed.

    Raises HostError that names the holder if another process holds it for more than `patience` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                raise RefusedError(f"{step}: the host is busy with {holder}; wait for it and run `pulumi up` again")
            time.sleep(0.1)
        # The name is for others' messages only; /run may be full.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{step} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
