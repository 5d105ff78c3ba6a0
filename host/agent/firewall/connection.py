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
    # Programs that have it, as far as they are known.
    programs: str

    @property
    def is_everywhere(self) -> bool:
        """Whether it takes connections to any of the host's addresses."""
        return self.address == "*" or ipaddress.ip_address(self.address).is_unspecified


@functools.cache
def listeners() -> list[Listener]:
    """The host's listening TCP sockets, of both IP versions, as the step has found them."""
    found: list[Listener] = []
    for line in run(["ss", "-Hltnp"]).stdout.splitlines():
        words = line.split(None, 5)
        address, _, port = words[3].rpartition(":")
        # An address may carry its interface: 127.0.0.53%lo.
        found.append(Listener(address.strip("[]").split("%")[0], int(port), words[5] if len(words) > 5 else ""))
    return found


class Connection(NamedTuple):
    """The two ends of an SSH connection, as the host sees them."""

    client: str
    port: int


def this_connection() -> Connection | None:
    """The SSH connection through which the agent runs, or None where it was not started over SSH.

    sudo takes SSH_CONNECTION out of the environment, but not out of that of the processes above it.
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
    """When this SSH connection was made, in seconds since the host booted.

    sshd starts a process for each connection; without one it is the time at which the agent was started.
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
    """Names the current run of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _ancestry() -> list[int]:
    """This process and those above it, nearest first."""
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
