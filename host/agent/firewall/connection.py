"""The SSH connection through which the agent runs, and the ports on which the host listens."""

import functools
import ipaddress
import os
import time
from pathlib import Path
from typing import NamedTuple

from agent.system import run


class Listener(NamedTuple):
    """A TCP socket that waits for connections."""

    address: str
    port: int
    # The programs that hold it, as far as known.
    programs: str

    @property
    def is_everywhere(self) -> bool:
        """Whether it accepts connections to every address of the host."""
        return self.address == "*" or ipaddress.ip_address(self.address).is_unspecified


@functools.cache
def listeners() -> list[Listener]:
    """The host's listening TCP sockets, of both IP versions, read once per step."""
    found: list[Listener] = []
    for line in run(["ss", "-Hltnp"]).stdout.splitlines():
        words = line.split(None, 5)
        address, _, port = words[3].rpartition(":")
        # An address may name its interface: 127.0.0.53%lo.
        found.append(Listener(address.strip("[]").split("%")[0], int(port), words[5] if len(words) > 5 else ""))
    return found


class Connection(NamedTuple):
    """The two ends of an SSH connection, as the host sees them."""

    client: str
    port: int


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
            if entry.startswith(b"SSH_CONNECTION=") and len(words) == 4 and words[3].isdigit():
                return Connection(words[0], int(words[3]))
    return None


def opened_at() -> float:
    """When this SSH connection was opened, in seconds since boot.

    sshd starts a process for each connection. Without sshd, it is the agent's own start time.
    """
    ancestry = _ancestry()
    sessions = [process for process in ancestry if _command(process).startswith("sshd")]
    # Fields after the command's name, which is in parentheses: the start time is the 20th, in clock ticks.
    fields = Path("/proc", str((sessions or ancestry)[0]), "stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


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
        fields = Path("/proc", str(processes[-1]), "stat").read_text().rpartition(")")[2].split()
        processes.append(int(fields[1]))
    return processes[:-1] if processes[-1] == 0 else processes


def _command(process: int) -> str:
    try:
        return Path("/proc", str(process), "comm").read_text().strip()
    except OSError:
        return ""
