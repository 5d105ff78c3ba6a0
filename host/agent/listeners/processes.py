"""Finds the processes that hold the kernel's sockets, their systemd units and their containers."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from agent.display import displayable_name

PROC = Path("/proc")

# The scopes and folders in which Docker, Podman, containerd and CRI-O put a container's processes.
_CONTAINER = re.compile(r"(?:^|[-/])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_UNIT = re.compile(r"[^/]+\.service")


class Process(NamedTuple):
    """A process that holds a socket."""

    pid: int
    name: str
    # Empty if it runs in no unit of systemd
    unit: str
    # The id of its container, empty outside of one
    container: str


def holders(inodes: Iterable[int]) -> dict[int, list[Process]]:
    """The processes that hold each of these sockets, the oldest first.

    Reads the descriptors of all processes, as `ss -p` does, whose output quotes names that any user can choose.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, list[int]] = {}
    for folder in PROC.iterdir() if wanted else ():
        if folder.name.isdigit():
            for inode in _sockets(folder / "fd", wanted):
                found.setdefault(inode, []).append(int(folder.name))
    return {inode: [_process(pid) for pid in sorted(pids, key=_age)] for inode, pids in found.items()}


def is_running(program: str) -> bool:
    """Whether a program of this name runs."""
    return any(
        folder.name.isdigit() and _read(int(folder.name), "comm").strip() == program for folder in PROC.iterdir()
    )


def command_lines(program: str) -> Iterator[list[str]]:
    """The command lines of the processes that were started as this program."""
    for folder in PROC.iterdir():
        words = _read(int(folder.name), "cmdline").split("\0") if folder.name.isdigit() else [""]
        if Path(words[0]).name == program:
            yield words


def _sockets(folder: Path, wanted: dict[str, int]) -> set[int]:
    sockets: set[int] = set()
    try:
        for descriptor in folder.iterdir():
            inode = wanted.get(str(descriptor.readlink()))
            if inode is not None:
                sockets.add(inode)
    except OSError:
        # The process, or the descriptor, has gone meanwhile.
        pass
    return sockets


def _age(pid: int) -> tuple[int, int]:
    """Sorts processes by when they started: a server's workers come after it."""
    # Behind the command's name, which is in parentheses, the start time is the 20th field.
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[19]) if len(fields) > 19 else 0, pid)


def _process(pid: int) -> Process:
    # systemd's own hierarchy is the unified one, or the one that is named after it.
    groups = [line.split(":", 2) for line in _read(pid, "cgroup").splitlines()]
    path = max((path for _, hierarchy, path in groups if hierarchy in ("", "name=systemd")), key=len, default="")
    container = _CONTAINER.search(path)
    units = [part for part in path.split("/") if _UNIT.fullmatch(part)]
    name, unit = displayable_name(_read(pid, "comm").strip()), displayable_name(units[-1]) if units else ""
    return Process(pid, name, unit, "" if container is None else container[1])


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:
        return ""
