"""What the host remembers about the firewall, in /var/lib/immich-access/."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent.files import File, read, write
from agent.firewall.request import Needs, Request, checked_payload_ranges
from agent.firewall.ufw import Files
from agent.ranges import Ranges

FOLDER = Path("/var/lib/immich-access")
CHANGE = FOLDER / "firewall-change.json"
# The undo service starts only where this one exists.
ARMED = FOLDER / "firewall-armed.json"
RANGES = FOLDER / "ranges.json"
SITES = FOLDER / "firewall-sites.json"


class Change(NamedTuple):
    """The last change of the firewall. It is numbered, so that every change is confirmed."""

    number: int = 0
    # What was asked for, so that an undone change can be made again; None before the first one.
    payload: dict[str, Any] | None = None
    ssh_ports: Sequence[int] = ()
    undone: bool = False


class Armed(NamedTuple):
    """A change that waits for its confirmation, and what comes back without one."""

    seconds: int
    former: Files
    # When it was made: the kernel's run, and the seconds since that began.
    boot: str
    at: float


def read_change() -> Change:
    """The last change; number 0 before the first one."""
    file = read(CHANGE)
    return Change() if file is None else Change(**json.loads(file.content))


def write_change(change: Change) -> None:
    """Keeps a change, unless it is kept already."""
    file = None if change == Change() else _json(change._asdict())
    if read(CHANGE) != file:
        write(CHANGE, file)


def read_armed() -> Armed | None:
    """The change that waits for its confirmation, if there is one."""
    file = read(ARMED)
    if file is None:
        return None
    fields: dict[str, Any] = json.loads(file.content)
    former: dict[str, Any] = fields.pop("former")
    return Armed(former={Path(path): _file(item) for path, item in former.items()}, **fields)


def write_armed(armed: Armed | None) -> None:
    """Keeps what is needed to undo a change, or forgets it."""
    if armed is None:
        write(ARMED, None)
        return
    former = {
        str(path): None if file is None else {"mode": file.mode, "text": file.content.decode(errors="surrogateescape")}
        for path, file in armed.former.items()
    }
    write(ARMED, _json({**armed._asdict(), "former": former}))


def read_ranges() -> Ranges | None:
    """The last good ranges."""
    file = read(RANGES)
    return None if file is None else checked_payload_ranges(json.loads(file.content))


def keeping(ranges: Ranges) -> dict[Path, File | None]:
    """The file that keeps good ranges, to be put in place together with what it is about."""
    return {RANGES: _json(ranges._asdict())}


def read_sites() -> dict[str, Needs]:
    """What the host's sites, which several stacks may have put there, ask of the firewall."""
    file = read(SITES)
    return {} if file is None else {site: Needs(*needs) for site, needs in json.loads(file.content).items()}


def sites_with(request: Request) -> dict[str, Needs]:
    """The same once a request is granted."""
    return {**read_sites(), **request.needs}


def keeping_sites(sites: Mapping[str, Needs]) -> dict[Path, File | None]:
    """The file that keeps them, to be put in place together with what it is about."""
    return {SITES: _json(sites) if sites else None}


def owned(owner: str | None) -> set[str]:
    """The sites of this owner; none of an unknown one."""
    return {site for site, needs in read_sites().items() if owner is not None and needs.owner == owner}


def taken_over(site: str, owner: str | None) -> bool:
    """Whether somebody else than this owner has put the site here since."""
    needs = read_sites().get(site)
    return needs is not None and None not in (owner, needs.owner) and needs.owner != owner


def forget_site(site: str, owner: str | None) -> None:
    """Takes a site of this owner that is gone off the list."""
    sites = read_sites()
    if not taken_over(site, owner) and sites.pop(site, None) is not None:
        write(SITES, keeping_sites(sites)[SITES])


def forget() -> None:
    """Removes all of it."""
    for path in (ARMED, CHANGE, RANGES, SITES):
        write(path, None)
    if FOLDER.exists() and not any(FOLDER.iterdir()):
        FOLDER.rmdir()


def _file(item: dict[str, Any] | None) -> File | None:
    return None if item is None else File(item["text"].encode(errors="surrogateescape"), item["mode"])


def _json(value: object) -> File:
    return File(f"{json.dumps(value)}\n".encode(), 0o600)
