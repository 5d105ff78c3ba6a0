"""Runs ufw's own classes on a copy of ufw's folder, and takes ufw's own lock.

The classes are no public interface. They are those of ufw 0.36.1 and 0.36.2, the versions of Debian 12 and 13 and
Ubuntu 22.04 and 24.04. A version that lacks one of them ends in an error that names the version.
"""

import builtins
import contextlib
import fcntl
import importlib
import io
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from agent import changes
from agent.errors import RefusedError
from agent.files import File, read, write
from agent.firewall.rules import Rule
from agent.system import run

# The files that a change may touch. ufw-init and iptables-restore read no other rules and defaults.
DEFAULTS = Path("/etc/default/ufw")
CONFIGURATION = Path("/etc/ufw/ufw.conf")
USER_RULES = {4: Path("/etc/ufw/user.rules"), 6: Path("/etc/ufw/user6.rules")}
FILES = (DEFAULTS, CONFIGURATION, *USER_RULES.values())

LOCK = Path("/run/ufw.lock")
LOCK_PATIENCE_SECONDS = 10.0
# The prefix of the copies' names below /run; the process id follows.
COPIES = "immich-access.ufw."

Files = dict[Path, File | None]


class Setting(NamedTuple):
    """One `NAME=value` line of ufw's files."""

    path: Path
    name: str
    value: str


def current() -> Files:
    """ufw's files as they are."""
    return {path: read(path) for path in FILES}


def value(files: Files, path: Path, name: str) -> str:
    """A setting in lower case, or empty if it is missing."""
    file = files[path]
    text = "" if file is None else file.content.decode(errors="surrogateescape")
    found = re.findall(rf"^{name}=\"?(\w+)\"?", text, re.MULTILINE)
    return found[-1].lower() if found else ""


@contextmanager
def locked() -> Generator[None, None, None]:
    """Holds ufw's lock while the body runs. The body must not start the `ufw` program, which would wait for it.

    Raises RefusedError that names the holder if another process holds the lock for more than a few seconds.
    """
    with contextlib.ExitStack() as held:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            stream = held.enter_context(LOCK.open("a+"))
            if _try_lock(stream, fcntl.LOCK_EX):
                if _is_in_place(stream):
                    break
            # Nobody but root can lock the file for writing, as ufw does, but ufw lets everyone read it and so lock it
            # for reading. Such a lock is no ufw at work. Holding one too keeps a ufw out that waits for this file.
            elif _try_lock(stream, fcntl.LOCK_SH) and _is_in_place(stream):
                held.enter_context(_replaced_lock())
                break
            if time.monotonic() >= deadline:
                holder = _holder(stream.fileno())
                raise RefusedError(f"ufw is busy: {holder} holds {LOCK}; wait for it and run `pulumi up` again")
            stream.close()
            time.sleep(0.1)
        # Kept by ufw, which would make a missing file readable by everyone.
        LOCK.chmod(0o600)
        # Another ufw may have been at work until now.
        changes.read_anew()
        yield


def _try_lock(stream: IO[Any], kind: int) -> bool:
    """Takes a lock of the kind that ufw takes, unless another process holds one against it."""
    try:
        fcntl.lockf(stream, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_in_place(stream: IO[Any]) -> bool:
    """Whether the file is still the one that the next ufw opens."""
    return LOCK.exists() and os.path.samestat(os.fstat(stream.fileno()), LOCK.stat())


@contextmanager
def _replaced_lock() -> Generator[None, None, None]:
    """Puts a locked file that only root can open in the lock's place."""
    fresh = LOCK.with_name(f"{COPIES}{os.getpid()}.lock")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        fresh.replace(LOCK)
        yield


def _holder(descriptor: int) -> str:
    inode = os.fstat(descriptor).st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "POSIX" and words[5].split(":")[-1] == str(inode):
            with contextlib.suppress(OSError):
                return f"{Path('/proc', words[4], 'comm').read_text(errors='replace').strip()} (process {words[4]})"
    return "another process"


class Ufw:
    """ufw's view of a copy of its files in which `settings` are changed."""

    def __init__(self, folder: Path, settings: Sequence[Setting]) -> None:
        self._folder = folder
        for setting in settings:
            path = self._copy(setting.path)
            text = path.read_text(errors="surrogateescape")
            path.write_text(_change_setting(text, setting), errors="surrogateescape")
        frontend = importlib.import_module("ufw.frontend")
        self._common = importlib.import_module("ufw.common")
        self._parser = importlib.import_module("ufw.parser")
        self._util = importlib.import_module("ufw.util")
        self._backend: Any = frontend.UFWFrontend(False, datadir=str(folder)).backend

    def versions(self) -> list[int]:
        """The IP versions that ufw filters: 6 only where the kernel has it and IPV6=yes."""
        return [4, 6] if self._backend.use_ipv6() else [4]

    def rules(self, version: int) -> list[Rule]:
        """The rules of one IP version, in order."""
        return [self._describe(rule) for rule in self._list(version)]

    def rule(self, version: int, ports: int | str, source: str, comment: str, protocol: str = "tcp") -> Rule:
        """A rule that allows `source` to a port, or to several in ufw's form, as ufw would read it back."""
        return self._describe(self._make_rule(version, str(ports), source, comment, protocol))

    def set_rules(self, version: int, rules: Sequence[Rule]) -> None:
        """Replaces the rules of one IP version. New ones must come from `rule`."""
        known = {self._describe(rule): rule for rule in self._list(version)}
        arranged = [
            known.get(rule) or self._make_rule(version, rule.ports, rule.source, rule.comment, rule.protocol)
            for rule in rules
        ]
        if version == 6:
            self._backend.rules6 = arranged
        else:
            self._backend.rules = arranged
        if self._backend.caps is None:
            # ufw would run five programs to find this out, and leave an orphaned chain if killed meanwhile.
            self._backend.caps = {"limit": {str(one): self._can_limit(one) for one in (4, 6)}}
        self._backend._write_rules(version == 6)

    def files(self) -> Files:
        """The files as ufw would write them."""
        wanted: Files = {}
        for path in FILES:
            copy, former = read(self._copy(path)), read(path)
            wanted[path] = former if copy is None or former is None else File(copy.content, former.mode)
        return wanted

    def _can_limit(self, version: int) -> bool:
        """Whether the kernel supports `ufw limit` for an IP version that ufw filters."""
        if version not in self.versions():
            return False
        chain = "immich-access-trial"
        rule = f"-A {chain} -m conntrack --ctstate NEW -m recent"
        rules = (f"{rule} --set", f"{rule} --update --seconds 30 --hitcount 6")
        # One transaction creates and deletes them.
        trial = "\n".join(["*filter", f":{chain} - [0:0]", *rules, f"-F {chain}", f"-X {chain}", "COMMIT\n"])
        command = ["iptables-restore" if version == 4 else "ip6tables-restore", "-w", "10", "-n"]
        return run(command, text=trial, check=False).returncode == 0

    def _copy(self, path: Path) -> Path:
        return self._folder / path.relative_to("/")

    def _list(self, version: int) -> list[Any]:
        return self._backend.rules6 if version == 6 else self._backend.rules

    def _make_rule(self, version: int, ports: str, source: str, comment: str, protocol: str) -> Any:
        encoded = self._util.hex_encode(comment)
        rule = self._common.UFWRule("allow", protocol, dport=ports, src=source, comment=encoded)
        rule.set_v6(version == 6)
        rule.normalize()
        return rule

    def _describe(self, rule: Any) -> Rule:
        bare = rule.dup_rule()
        bare.set_comment("")
        return Rule(
            action=rule.action,
            protocol=rule.protocol,
            ports=rule.dport,
            source=rule.src,
            destination=rule.dst,
            source_ports=rule.sport,
            interface=rule.interface_in,
            incoming=rule.direction == "in" and not rule.forward,
            comment=rule.get_comment(),
            name=str(self._parser.UFWCommandRule.get_command(bare)),
        )


@contextmanager
def ufw_on_copy(settings: Sequence[Setting]) -> Generator[Ufw, None, None]:
    """Runs ufw's classes on a copy of its files in which `settings` are changed; raises HostError for ufw's errors."""
    said = io.StringIO()
    # ufw refuses to start unless sys.argv[0] is its own program's file.
    arguments, folder = sys.argv, tempfile.tempdir
    try:
        with _folder_copied() as copy:
            # Keep ufw's temporary files in memory too: the disk may be full.
            sys.argv, tempfile.tempdir = ["/usr/sbin/ufw"], str(copy)
            # ufw expects gettext's `_` among the builtins.
            builtins.__dict__.setdefault("_", str)
            with contextlib.redirect_stderr(said):
                yield Ufw(copy, settings)
    except (ImportError, AttributeError, TypeError) as error:
        raise RefusedError(
            f"this host has {_version()}, which this program does not know how to drive ({error}); "
            "it knows ufw 0.36.1 and 0.36.2"
        ) from None
    except SystemExit:
        raise RefusedError(f"ufw refuses to work: {said.getvalue().strip()}") from None
    except Exception as error:
        if type(error).__name__ != "UFWError":
            raise
        raise RefusedError(f"ufw refuses to work: {getattr(error, 'value', error)}") from None
    finally:
        sys.argv, tempfile.tempdir = arguments, folder


@contextmanager
def folder_with(files: Files) -> Generator[Path | None, None, None]:
    """A copy of ufw's folder, in memory, that has these files; None if ufw's own folder has them."""
    if all(read(path) == file for path, file in files.items()):
        yield None
        return
    with _folder_copied() as copy:
        for path, file in files.items():
            write(copy / path.relative_to("/"), file)
        yield copy


@contextmanager
def _folder_copied() -> Generator[Path, None, None]:
    """A copy of all of ufw's files in memory."""
    _remove_orphaned_copies()
    with tempfile.TemporaryDirectory(prefix=f"{COPIES}{os.getpid()}.", dir="/run") as name:
        copy = Path(name)
        shutil.copytree("/etc/ufw", copy / "etc/ufw", ignore_dangling_symlinks=True)
        (copy / "etc/default").mkdir()
        shutil.copy2(DEFAULTS, copy / "etc/default/ufw")
        yield copy


def _remove_orphaned_copies() -> None:
    """Removes the copies that killed processes left."""
    for copy in Path("/run").glob(f"{COPIES}*"):
        if not Path("/proc", copy.name.removeprefix(COPIES).partition(".")[0]).exists():
            if copy.is_dir():
                shutil.rmtree(copy, ignore_errors=True)
            else:
                copy.unlink(missing_ok=True)


def _version() -> str:
    return run(["dpkg-query", "-W", "-f", "ufw ${Version}", "ufw"], check=False).stdout or "an unknown ufw"


def _change_setting(text: str, setting: Setting) -> str:
    line = f"{setting.name}={setting.value}"
    changed, count = re.subn(rf"^{setting.name}=.*$", line, text, flags=re.MULTILINE)
    return changed if count else f"{text}\n{line}\n"
