"""Watches processes and files for secrets, before it is known what these are.

    python3 secrets.py [FOLDER ...]

Until standard input ends, it collects the arguments and the environment of every process, and what stands in files of
the folders that others may read, however short they are there. Each line of standard input is a question in JSON:

    {"needles": [[NAME, TEXT], ...], "everywhere": [FOLDER, ...], "wide": [FOLDER, ...], "since": SECONDS,
     "commands": [[PROGRAM, ...], ...]}

The answer, one line of JSON, names the needles that are in what was collected, in files below `everywhere`, in those
below `wide` whose mode is wider than 0600, both as far as they changed `since`, and in what the commands print.
"""

import bisect
import contextlib
import hashlib
import itertools
import json
import os
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# A process that lives shorter than this may be missed.
EVERY = 0.02
# New processes are looked at each time, because they may yet become another program; old ones less often.
YOUNG, OLD_EVERY = 0.5, 0.25
FILES_EVERY = 0.1
LARGEST = 32 << 20
# Files that only grow are read on from where they ended, and a little before: no needle is longer.
GROWING, OVERLAP = (".log", ".jsonl"), 8192
# The overlay on the disk of a sandbox's host is looked through on the host itself.
PASSED_OVER = {"disk", "node_modules"}
# The state is written anew after every step; the history keeps how each operation has ended.
WRITTEN_ALL_THE_TIME = "/.pulumi/stacks/"


def files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files below a folder, or the file itself."""
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            yield path, status
        elif stat.S_ISDIR(status.st_mode):
            for name in os.listdir(path):
                if name not in PASSED_OVER:
                    yield from files(f"{path}/{name}")


def is_wide(status: os.stat_result) -> bool:
    """Whether a file's mode is wider than 0600."""
    return bool(stat.S_IMODE(status.st_mode) & 0o177)


class Collection:
    """Everything seen so far."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders
        # Text, and by whom it was seen first.
        self.arguments: dict[bytes, str] = {}
        self.variables: dict[bytes, str] = {}
        self.contents: dict[bytes, tuple[str, bytes]] = {}
        self.born: dict[str, float] = {}
        self.looked: dict[str, float] = {}
        self.known: set[tuple[Any, ...]] = set()
        self.ends: dict[tuple[str, int], int] = {}
        self.samples = 0
        self.last = time.monotonic()
        self.gap = 0.0
        self.files_at = 0.0

    def sample(self) -> None:
        """Looks once at all that is due."""
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now
        self.samples += 1
        processes = {name for name in os.listdir("/proc") if name[0].isdigit()}
        for gone in self.born.keys() - processes:
            del self.born[gone], self.looked[gone]
        for process in processes:
            age = now - self.born.setdefault(process, now)
            if age < YOUNG or now - self.looked[process] > OLD_EVERY:
                self.looked[process] = now
                self.process(process)
        if now - self.files_at > FILES_EVERY:
            for folder in self.folders:
                for path, status in files(folder):
                    self.file(path, status)
            self.files_at = time.monotonic()

    def process(self, process: str) -> None:
        """Takes a process's arguments and variables."""
        with contextlib.suppress(OSError):
            arguments = Path("/proc", process, "cmdline").read_bytes().split(b"\0")
            program = Path(os.fsdecode(arguments[0])).name[:40]
            for argument in arguments:
                self.arguments.setdefault(argument, program)
            for variable in Path("/proc", process, "environ").read_bytes().split(b"\0"):
                name = os.fsdecode(variable.partition(b"=")[0])
                # A process that is just becoming another program has its variables before its arguments.
                if self.variables.get(variable, f"{name} of ") == f"{name} of ":
                    self.variables[variable] = f"{name} of {program}"

    def file(self, path: str, status: os.stat_result) -> None:
        """Takes a file's content if others may read it and it is new."""
        version = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
        passed_over = WRITTEN_ALL_THE_TIME in path or status.st_size > LARGEST
        if not is_wide(status) or version in self.known or passed_over:
            return
        with contextlib.suppress(OSError):
            with Path(path).open("rb") as stream:
                if path.endswith(GROWING):
                    stream.seek(max(0, self.ends.get((path, status.st_ino), 0) - OVERLAP))
                content = stream.read()
                self.ends[(path, status.st_ino)] = stream.tell()
            self.contents.setdefault(hashlib.sha256(content).digest(), (path, content))
            self.known.add(version)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What was found of the needles."""
        needles: dict[bytes, set[str]] = {}
        for name, text in question["needles"]:
            needles.setdefault(os.fsencode(text), set()).add(name)
        found: list[dict[str, str]] = []

        def search(place: str, texts: Iterable[tuple[str, bytes]]) -> None:
            hits = occurrences(needles, list(texts))
            found.extend({"place": place, "where": where, "secret": name} for where, name in sorted(hits))

        search("arguments", ((program, text) for text, program in self.arguments.items()))
        search("environment", ((variable, text) for text, variable in self.variables.items()))
        search("wide file", self.contents.values())
        search("file", changed(question["everywhere"], question["since"], wide=False))
        search("wide file", changed(question["wide"], question["since"], wide=True))
        for command in question["commands"]:
            output = subprocess.run(command, capture_output=True, check=True).stdout
            search("output", [(command[0], output)])
        counts = {"arguments": len(self.arguments), "variables": len(self.variables), "files": len(self.contents)}
        return {"found": found, "samples": self.samples, "gap": self.gap, **counts}


def occurrences(needles: dict[bytes, set[str]], texts: list[tuple[str, bytes]]) -> set[tuple[str, str]]:
    """Which of the needles, none of which has a line break, are in which of the texts.

    Hundreds of needles in as many megabytes are nothing for grep, and take Python half a minute.
    """
    ends = list(itertools.accumulate(len(text) + 1 for _, text in texts))
    # Neither is an argument or a file, for this program is looking for secrets there.
    wanted = os.memfd_create("needles")
    with os.fdopen(wanted, "wb") as stream:
        stream.write(b"\n".join(needles))
        stream.flush()
        stream.seek(0)
        grep = subprocess.run(
            ["grep", "-aobF", "-f", f"/dev/fd/{wanted}"],
            input=b"\n".join(text for _, text in texts),
            capture_output=True,
            check=False,
            pass_fds=[wanted],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    if grep.returncode > 1:
        raise RuntimeError(grep.stderr.decode())
    lines = (line.split(b":", 1) for line in grep.stdout.splitlines())
    return {
        (texts[bisect.bisect_right(ends, int(at))][0], name) for at, needle in lines for name in needles[needle]
    }


def changed(folders: Iterable[str], since: float, *, wide: bool) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of the files that are not older."""
    for folder in folders:
        for path, status in files(folder):
            if (is_wide(status) or not wide) and status.st_ctime >= since and status.st_size <= LARGEST:
                with contextlib.suppress(OSError):
                    yield path, Path(path).read_bytes()


def main() -> None:
    """Collects and answers."""
    collection = Collection(sys.argv[1:])
    pending = b""
    while True:
        collection.sample()
        if not select.select([0], [], [], EVERY)[0]:
            continue
        part = os.read(0, 1 << 20)
        if not part:
            break
        *lines, pending = (pending + part).split(b"\n")
        for line in lines:
            print(json.dumps(collection.answer(json.loads(line))), flush=True)
            # Answering is no gap in the watch: nothing that it watches runs meanwhile.
            collection.last = time.monotonic()


main()
