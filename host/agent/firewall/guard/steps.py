"""Puts the guard in force, renews what it knows of the host, and removes it."""

import ipaddress
import socket
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.errors import HostError, RefusedError
from agent.files import File, files_replaced, files_to_change, read, write
from agent.firewall import former_docker_user
from agent.firewall.guard import publications, table
from agent.firewall.guard.bridges import find_bridges
from agent.firewall.guard.doors import Doors, find_doors, own_port
from agent.firewall.installation import FOLDER, GUARD as UNIT
from agent.firewall.request import Needs, served_ports
from agent.firewall.ssh_access import open_ssh_ports
from agent.listeners.sockets import listeners
from agent.system import is_installed, run

FILE = Path("/etc/immich-access/guard.nft")

# From linux/netfilter/nfnetlink.h and nf_tables.h
NETLINK_NETFILTER = 12
GET_GENERATION = 10 << 8 | 16


class Guard(NamedTuple):
    """What the table closes, and the file that loads it."""

    doors: Doors
    text: str


def plan_guard(modules: Mapping[str, str], sites: Mapping[str, Needs]) -> Guard:
    """The guard for these sites, by what the host has at this moment. `modules` may be empty on an installed agent."""
    doors = find_doors(sites, ssh_ports_of(sites))
    return Guard(doors, table.table_text(modules, FOLDER, doors, find_bridges()))


def ssh_ports_of(sites: Mapping[str, Needs]) -> set[int]:
    """The ports of SSH, which no guard may close."""
    return open_ssh_ports() | {needs.ssh_port for needs in sites.values()}


def refuse_upstreams(wanted: Mapping[str, Needs], sites: Mapping[str, Needs]) -> None:
    """Raises RefusedError for an upstream on a port of this host that the guard cannot close."""
    served = served_ports(sites.values())
    for name, needs in wanted.items():
        port = own_port(needs.upstream)
        if port in served:
            raise RefusedError(
                f"{needs.upstream}, the upstream of {name}, is port {port} of this host, which is nginx's"
            )
        if port in ssh_ports_of(sites):
            raise RefusedError(f"{needs.upstream}, the upstream of {name}, is the SSH port of this host")


def refuse_unsupported(guard: Guard) -> None:
    """Raises RefusedError where the kernel cannot have the table. Changes nothing."""
    if is_installed("nft"):
        table.refuse_unsupported(guard.text)
    elif not _kernel_has_tables():
        raise RefusedError(f"the kernel has no nf_tables, which {table.WAY_OUT}")


@contextmanager
def guarded(guard: Guard) -> Generator[None, None, None]:
    """Closes the ports, in the kernel and for the next boot, and runs the body; rolls back if the body raises.

    On a host of version 0.1.0 the guard stays even then: the body removes what closed the port there.
    """
    if former_docker_user.is_there():
        renew(guard)
        write(FILE, _file(guard))
        yield
        return
    former = table.loaded()
    try:
        renew(guard)
        with files_replaced(files_to_change({FILE: _file(guard)})):
            yield
    except BaseException:
        table.restore(former)
        raise


def renew(guard: Guard) -> None:
    """Has the kernel close the ports, unless it does already."""
    if not table.in_force(guard.text):
        table.load(guard.text)


def repair(guard: Guard) -> str | None:
    """Renews the guard in the kernel and on disk. Returns what had happened to it, or None if nothing had."""
    file = read(FILE)
    kept = None if file is None else file.content.decode(errors="replace")
    if table.loaded() is None:
        trouble = "the table that closes Immich's port had been removed, as `nft flush ruleset` does; it is back"
    elif kept is None or not _is_loaded(kept):
        trouble = "the table that closes Immich's port had been changed; it is as it was again"
    else:
        trouble = None
    renew(guard)
    if file != _file(guard):
        write(FILE, _file(guard))
    return trouble


def _is_loaded(text: str) -> bool:
    try:
        return table.in_force(text)
    except HostError:
        # nft refuses a file that has been damaged.
        return False


def require(guard: Guard) -> None:
    """Raises HostError unless the guard is in force, now and after the next boot."""
    file = read(FILE)
    if table.loaded() is None:
        raise HostError("the table that closes Immich's port is missing")
    kept = None if file is None else file.content.decode(errors="replace")
    if kept is None or not _is_loaded(kept):
        raise HostError(f"the table that closes Immich's port is not the one in {FILE}")
    if not table.closes_as_much(kept, guard.text):
        raise HostError("the table that closes Immich's port does not fit the ports and bridges that the host has now")
    if run(["systemctl", "is-enabled", "--quiet", UNIT], check=False).returncode != 0:
        raise HostError(f"{UNIT} is not enabled, so the table will be missing after a reboot")


def answers_beyond_loopback(doors: Doors) -> bool:
    """Whether any of the ports for home networks answers on another address than loopback."""
    addresses = [one.address for one in listeners() if one.port in doors.host_ports]
    forwarded = [one.address or "0.0.0.0" for one in publications.published() if one.port in doors.host_ports]
    return any(text == "*" or not ipaddress.ip_address(text).is_loopback for text in (*addresses, *forwarded))


def remove() -> None:
    """Opens what the guard has closed, and removes its file."""
    if is_installed("nft") and table.loaded() is not None:
        table.restore(None)
    write(FILE, None)
    if FILE.parent.exists() and not any(FILE.parent.iterdir()):
        FILE.parent.rmdir()


def put_back(sites: Mapping[str, Needs]) -> dict[Path, File | None]:
    """Has the kernel close only what these sites need; returns the guard's file, for the caller to write.

    Needs no space on a disk.
    """
    if not sites:
        table.restore(None)
        return {FILE: None}
    guard = plan_guard({}, sites)
    renew(guard)
    return {FILE: _file(guard)}


def _file(guard: Guard) -> File:
    return File(guard.text.encode())


def _kernel_has_tables() -> bool:
    """Whether the kernel answers about nf_tables; asking loads the module where there is one."""
    header = struct.pack("=IHHII", 20, GET_GENERATION, 1, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as connection:
            connection.settimeout(5)
            connection.send(header + struct.pack("=BBH", 0, 0, 0))
            answer = connection.recv(4096)
    except OSError:
        return False
    kind: int = struct.unpack_from("=H", answer, 4)[0]
    return kind >> 8 == GET_GENERATION >> 8
