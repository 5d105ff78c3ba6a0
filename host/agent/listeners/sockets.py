"""The kernel's sockets that wait for TCP connections or UDP packets."""

import functools
import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.display import displayable_name
from agent.listeners import engines
from agent.listeners.processes import Process, holders
from agent.listeners.publications import DOCKER_PROXY, published_ports
from agent.system import is_installed, run

# The program of a socket that no process holds: WireGuard's, for instance, or NFS's.
KERNEL = "the kernel"

_INODE = re.compile(r" ino:(\d+)")


class Listener(NamedTuple):
    """A socket that waits for TCP connections or UDP packets."""

    # IPv4 or IPv6; `*` for every address of both
    address: str
    port: int
    # The names of the programs that hold it, the oldest process first and systemd last; never empty
    programs: tuple[str, ...]
    # "tcp", "udp", or one that has no ports, with port 0: see agent.listeners.portless
    protocol: str = "tcp"
    # The process that was there first; None for the kernel
    pid: int | None = None
    # systemd's unit of that process, or the one that systemd starts for a connection; empty for none
    unit: str = ""
    # The name of the container that it runs in or that docker-proxy passes on to; empty for none
    container: str = ""

    @property
    def is_everywhere(self) -> bool:
        """Whether it is there on every address of the host, at least of one IP version."""
        return self.address == "*" or _bare(self.address).is_unspecified

    @property
    def is_local(self) -> bool:
        """Whether only the host itself reaches it."""
        return self.address != "*" and _bare(self.address).is_loopback

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions over which it is reached."""
        return (4, 6) if self.address == "*" else (_bare(self.address).version,)

    @property
    def program(self) -> str:
        """The program that was there first."""
        return self.programs[0]

    @property
    def holder(self) -> str:
        """The program for people, with its container or unit, such as `nginx (nginx.service)`."""
        if self.container:
            return f"the container {self.container}"
        return f"{self.program} ({self.unit})" if self.unit else self.program


@functools.cache
def all_listeners() -> list[Listener]:
    """The host's listening sockets of TCP and UDP, of both IP versions, read once per step.

    Names of programs, units and containers have no control characters. Unconnected UDP sockets of clients are among
    them: the kernel does not tell who waits for answers from who waits for questions.
    """
    sockets: list[tuple[str, str, int, int]] = []
    # Without -p, whose output quotes names that any user can choose; with -e, which prints inodes.
    for line in run(["ss", "-Hlntue"]).stdout.splitlines():
        words = line.split(None, 5)
        address, _, port = words[4].rpartition(":")
        inode = _INODE.search(line)
        # An address may name its interface: 127.0.0.53%lo.
        protocol = "tcp" if words[0] == "tcp" else "udp"
        sockets.append((protocol, address.strip("[]").split("%")[0], int(port), int(inode[1]) if inode else 0))
    processes = holders(inode for *_, inode in sockets if inode)
    found: dict[Listener, None] = {}
    for protocol, address, port, inode in sockets:
        found[held_listener(address, port, protocol, processes.get(inode, []))] = None
    return list(found)


def held_listener(address: str, port: int, protocol: str, held: Sequence[Process]) -> Listener:
    """The listener of a socket that these processes hold, the oldest first; the kernel's own without any."""
    if not held:
        return Listener(address, port, (_kernel_service(protocol, port),), protocol)
    # systemd holds the sockets of the units that it starts on demand, too: the service tells more than systemd.
    ordered = sorted(held, key=lambda process: process.pid == 1)
    first, programs = ordered[0], tuple(dict.fromkeys(process.name for process in ordered))
    unit = _socket_units().get((protocol, port), "") if first.pid == 1 else first.unit
    listener = Listener(address, port, programs, protocol, first.pid, unit)
    return listener._replace(container=_container(listener, first.container))


def listeners() -> list[Listener]:
    """The host's listening TCP sockets; see `all_listeners`."""
    return [listener for listener in all_listeners() if listener.protocol == "tcp"]


def _container(listener: Listener, identity: str) -> str:
    """The name of the container behind a listener; its short id if no engine tells the name."""
    if identity:
        return engines.container_names().get(identity, identity[:12])
    if listener.program != DOCKER_PROXY:
        return ""
    published = (one for one in published_ports() if (one.protocol, one.port) == (listener.protocol, listener.port))
    return next((one.container for one in published if one.container), "")


def _kernel_service(protocol: str, port: int) -> str:
    """What the kernel itself serves on a port, as far as it can be told."""
    interface = _wireguard_ports().get(port) if protocol == "udp" else None
    return KERNEL if interface is None else f"WireGuard {interface}"


@functools.cache
def _socket_units() -> dict[tuple[str, int], str]:
    """The services that systemd starts for a connection, by protocol and port."""
    shown = run(["systemctl", "show", "-p", "Listen", "-p", "Triggers", "*.socket"], check=False).stdout
    found: dict[tuple[str, int], str] = {}
    for block in shown.split("\n\n"):
        service = re.search(r"^Triggers=(\S+)", block, re.MULTILINE)
        for port, kind in re.findall(r"^Listen=\S*:(\d+) \((Stream|Datagram)\)$", block, re.MULTILINE):
            found["tcp" if kind == "Stream" else "udp", int(port)] = displayable_name(service[1]) if service else ""
    return found


@functools.cache
def _wireguard_ports() -> dict[int, str]:
    """WireGuard's interfaces by the port on which they listen."""
    if not is_installed("wg"):
        return {}
    shown = run(["wg", "show", "all", "listen-port"], check=False).stdout
    pairs = [line.split() for line in shown.splitlines()]
    return {int(pair[1]): pair[0] for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _bare(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address, or the IPv4 address that is mapped into it."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return parsed if mapped is None else mapped
