"""Writes the guard's table as text, loads it, and compares it with the kernel's."""

import contextlib
import functools
import ipaddress
import re
import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent import changes
from agent.errors import HostError, RefusedError
from agent.firewall.guard.bridges import Bridges
from agent.firewall.guard.doors import Doors
from agent.system import first_line, run

TEMPLATE = "agent/firewall/guard/guard.nft"
TABLE = ("table", "inet", "immich_access")

WAY_OUT = (
    "is needed to close Immich's port: in a container, load the modules nf_tables and nft_fib_inet on the machine that "
    "runs it; elsewhere, boot the distribution's own kernel; then run `pulumi up` again"
)


def table_text(modules: Mapping[str, str], folder: Path, doors: Doors, bridges: Bridges) -> str:
    """The file that loads the table. The template is the running agent's, or the installed one in `folder`."""
    template = modules.get(TEMPLATE) or (folder / TEMPLATE).read_text()
    sets: dict[str, Iterable[str]] = {
        "host_ports": _numbers(doors.host_ports),
        "container_ports": _numbers(doors.container_ports),
        "others": _numbers(doors.others),
        "outside": [f'"{name}"' for name in bridges.outside],
        "inside": [f'"{name}"' for name in bridges.inside],
    }
    for version in (4, 6):
        sets[f"endpoints{version}"] = sorted(
            f"{one.address} . {one.port}"
            for one in doors.endpoints
            if ipaddress.ip_address(one.address).version == version
        )
        sets[f"home{version}"] = _home(doors, version)
    return string.Template(template).substitute({name: _elements(items) for name, items in sets.items()})


def closes_as_much(text: str, wanted: str) -> bool:
    """Whether two files close the same ports to the same networks.

    A container gets another address whenever it is made anew; the table closes Immich's port at all of them.
    """
    return _without_containers(text) == _without_containers(wanted)


@changes.until_changed
def loaded() -> str | None:
    """The table as the kernel has it, without its counters; None where there is none."""
    listed = run(["nft", "-s", "list", *TABLE], check=False)
    return listed.stdout if listed.returncode == 0 else None


def in_force(text: str) -> bool:
    """Whether the kernel's table is the one that this file loads."""
    listing = loaded()
    return listing is not None and _comparable(listing) == _in_kernel_wording(text)


def load(text: str) -> None:
    """Loads the table in one transaction; raises HostError where the kernel refuses it, which changes nothing."""
    changes.note("the kernel's rules")
    run(["nft", "-f", "-"], text=text)


def restore(listing: str | None) -> None:
    """Puts back what `loaded` has given: the same table, or none."""
    words = " ".join(TABLE)
    load(f"{words}\ndelete {words}\n{listing or ''}")


def refuse_unsupported(text: str) -> None:
    """Raises RefusedError where the kernel cannot have the table. Changes nothing."""
    with contextlib.suppress(HostError):
        if in_force(text):
            return
    tried = run(["nft", "-c", "-f", "-"], text=text, check=False)
    if tried.returncode != 0:
        raise RefusedError(f"the kernel does not take a table of nftables ({first_line(tried)}), which {WAY_OUT}")


@functools.cache
def _in_kernel_wording(text: str) -> str:
    """The table as the kernel lists it: loads it in a network namespace of its own."""
    script = f"nft -f - && nft -s list {' '.join(TABLE)}"
    return _comparable(run(["unshare", "--net", "sh", "-c", script], text=text).stdout)


def _comparable(listing: str) -> str:
    """A listing with the elements of sets in order, on one line each."""

    def arranged(match: re.Match[str]) -> str:
        return "{ " + ", ".join(sorted(item.strip() for item in match[1].split(","))) + " }"

    return re.sub(r"\{([^{};]*,[^{};]*)\}", arranged, listing)


def _without_containers(text: str) -> str:
    return re.sub(r"(set (?:endpoints[46]|others|inside) \{[^{}]*)elements = \{[^{}]*\}", r"\1", text)


def _numbers(ports: set[int]) -> list[str]:
    return [str(port) for port in sorted(ports)]


def _home(doors: Doors, version: int) -> list[str]:
    """The home networks of one IP version with their ports. The kernel refuses networks that overlap."""
    found: list[str] = []
    for port in sorted({port for _, port in doors.home}):
        networks: list[Any] = [network for network, one in doors.home if one == port and network.version == version]
        found += [f"{network} . {port}" for network in ipaddress.collapse_addresses(networks)]
    return found


def _elements(items: Iterable[str]) -> str:
    listed = ", ".join(items)
    # An empty list of elements does not parse.
    return f"elements = {{ {listed} }}" if listed else ""
