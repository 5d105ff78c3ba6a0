"""The SSH connection through which the agent runs."""

import contextlib
import functools
import ipaddress
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent.firewall.rules import Visit
from agent.listeners.addresses import INSIDE, is_own
from agent.listeners.processes import holders
from agent.listeners.sockets import listeners
from agent.system import run

# The list of iptables' match `recent` without a name, which ufw's rules use: iptables-extensions(8)
RECENT = Path("/proc/net/xt_recent/DEFAULT")

_INODE = re.compile(r" ino:(\d+)")
# `sshd: anna@pts/0`, or `sshd-session: anna@notty` from OpenSSH 9.8 on; before the login it ends in [priv] or [net].
_LOGIN = re.compile(r"sshd(-session)?: .+@(pts/\d+(,pts/\d+)*|tty\S*|notty)")


class Connection(NamedTuple):
    """The two ends of an SSH connection, as the host sees them."""

    client: str
    # The host's own address and port
    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether it comes from the host itself: through a tunnel or another program's forwarding."""
        # From one address of the host to another one it passes `lo` as well.
        return is_own(self.client)

    @property
    def visit(self) -> Visit:
        """What the firewall sees of it, and of the next one from the same address."""
        route = run(["ip", "-o", "route", "get", self.client], check=False).stdout.split()
        interface = route[route.index("dev") + 1] if "dev" in route[:-1] else ""
        return Visit(self.client, self.address, interface, self.port)


@functools.cache
def this_connection() -> Connection | None:
    """The SSH connection through which the agent runs, or None where it was not started over SSH.

    sudo removes SSH_CONNECTION from its own environment, but its parent processes still have it.
    """
    for process in _ancestry():
        try:
            environment = Path("/proc", str(process), "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for entry in environment:
            words = entry.decode(errors="replace").removeprefix("SSH_CONNECTION=").split()
            # sshd writes UNKNOWN where it was handed another kind of socket.
            if entry.startswith(b"SSH_CONNECTION=") and len(words) == 4 and "UNKNOWN" not in words:
                return Connection(_address(words[0]), _address(words[2]), int(words[3]))
    return None


def _address(text: str) -> str:
    """An address without its zone (fe80::1%eth0), and in IPv4's form if it is one in IPv6's (::ffff:192.0.2.1)."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def forget_attempts() -> None:
    """Takes this connection's address off the list by which `ufw limit` counts: its owner has just logged in.

    So the program's own connections never add up to the six within 30 s that the rule refuses. Does nothing without
    such a rule.
    """
    connection = this_connection()
    if connection is not None and RECENT.exists():
        with contextlib.suppress(OSError):
            RECENT.write_text(f"-{connection.client}\n")


def opened_at() -> float:
    """When this SSH connection was opened, in seconds since boot.

    sshd starts a process for each connection. Without sshd, it is the agent's own start time.
    """
    ancestry = _ancestry()
    sessions = [process for process in ancestry if _command(process).startswith("sshd")]
    return _started((sessions or ancestry)[0])


def _started(process: int) -> float:
    # Fields after the command's name, which is in parentheses: the start time is the 20th, in clock ticks.
    return int(_fields(process)[19]) / os.sysconf("SC_CLK_TCK")


def comes_from_outside() -> bool:
    """Whether the agent runs over an SSH connection from another machine."""
    connection = this_connection()
    return connection is not None and not connection.is_local


def has_login_from_outside(since: float) -> bool:
    """Whether somebody is logged in over an SSH connection from another machine that was opened after `since`.

    `since` is in seconds since boot. Judged by what no user of the host can feign: a connection to sshd's port that a
    process of root's sshd holds, and the title that sshd gives to itself once the login is past its authentication.
    """
    ports = {listener.port for listener in listeners() if "sshd" in listener.programs}
    inodes: list[int] = []
    # Without -p, whose output quotes names that any user can choose; with -e, which prints inodes.
    for line in run(["ss", "-Htne", "state", "established"]).stdout.splitlines():
        words, inode = line.split(), _INODE.search(line)
        if len(words) < 4 or inode is None:
            continue
        local, peer = (word.rpartition(":") for word in words[2:4])
        if int(local[2]) in ports and _comes_from_elsewhere(_address(peer[0].strip("[]"))):
            inodes.append(int(inode[1]))
    return any(_is_login([one.pid for one in held], since) for held in holders(inodes).values())


def _comes_from_elsewhere(client: str) -> bool:
    """Whether a client is neither the host nor one of its containers."""
    if is_own(client):
        return False
    return not Connection(client, client, 0).visit.interface.startswith(INSIDE)


def _is_login(processes: Sequence[int], since: float) -> bool:
    """Whether a connection's processes are sshd's, root's among them, began after `since`, and serve a login."""
    sshd = [one for one in processes if _is_sshd(one)]
    try:
        is_new = all(_started(one) > since for one in sshd)
        is_roots = any(Path("/proc", str(one)).stat().st_uid == 0 for one in sshd)
    except (OSError, IndexError):
        return False
    return is_new and is_roots and any(_LOGIN.fullmatch(_title(one)) for one in sshd)


def _is_sshd(process: int) -> bool:
    try:
        return Path("/proc", str(process), "exe").readlink().name.startswith("sshd")
    except OSError:
        return False


def _title(process: int) -> str:
    try:
        return Path("/proc", str(process), "cmdline").read_text(errors="replace").strip("\0 ")
    except OSError:
        return ""


def since_boot() -> float:
    """Now, on the same clock as `opened_at`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The kernel's id of the current boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _ancestry() -> list[int]:
    """This process and its ancestors, nearest first."""
    processes = [os.getpid()]
    while processes[-1] > 1:
        processes.append(int(_fields(processes[-1])[1]))
    return processes[:-1] if processes[-1] == 0 else processes


def _fields(process: int) -> list[str]:
    """What the kernel tells of a process, from behind its name, which may be in any encoding."""
    return Path("/proc", str(process), "stat").read_text(errors="replace").rpartition(")")[2].split()


def _command(process: int) -> str:
    try:
        return Path("/proc", str(process), "comm").read_text(errors="replace").strip()
    except OSError:
        return ""
