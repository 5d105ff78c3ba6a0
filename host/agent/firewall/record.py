"""What the host remembers about the firewall, in /var/lib/immich-access/.

Every file has a version. Writes use the current one. During an upgrade from version 0.1.0 of the program they use
version 1, see agent.firewall.record_versions: an `up` that fails halfway leaves delete commands with the agent of
0.1.0 in the stack's state, and that agent reads no other version. `finish_upgrade` ends this.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import RefusedError
from agent.files import File, read, write
from agent.firewall import record_versions as versions
from agent.firewall.record_fields import (
    Armed,
    Change,
    Original,
    file_from,
    needs_fields,
    needs_from,
    original_fields,
    original_from,
    request_fields,
    request_from,
)
from agent.firewall.request import Needs, Request, parse_ranges
from agent.ranges import Ranges

FOLDER = Path("/var/lib/immich-access")
CHANGE = FOLDER / "firewall-change.json"
# The undo service starts only where this one exists.
ARMED = FOLDER / "firewall-armed.json"
RANGES = FOLDER / "ranges.json"
SITES = FOLDER / "firewall-sites.json"
ORIGINAL = FOLDER / "firewall-original.json"
# What the last refresh found: agent.firewall.status
STATUS = FOLDER / "status.json"

VERSION = 4


def read_original() -> Original | None:
    """What ufw was before; None if only rules have been changed."""
    fields, _ = _read(ORIGINAL)
    if fields is None:
        return None
    return original_from(fields)


def original_file(original: Original | None) -> dict[Path, File | None]:
    """The file of that, for the caller to write together with the rules."""
    return {ORIGINAL: None if original is None else _file(original_fields(original))}


def read_change() -> Change:
    """The last change; number 0 before the first one."""
    fields, version = _read(CHANGE)
    if fields is None:
        return Change()
    if version == 1:
        fields = versions.change_fields(fields)
        version = fields["version"]
        _refuse_newer(CHANGE, version)
    request = versions.request_fields(fields["request"], version)
    return Change(
        fields["number"], None if request is None else request_from(request), fields["sshPorts"], fields["undone"]
    )


def write_change(change: Change) -> None:
    """Writes a change, unless the file already holds it."""
    request = change.request
    fields = {
        "number": change.number,
        "request": None if request is None else request_fields(request),
        "sshPorts": list(change.ssh_ports),
        "undone": change.undone,
    }
    current = _file(versions.stored_change(fields, VERSION), 1) if _is_upgrading() else _file(fields)
    file = None if change == Change() else current
    if read(CHANGE) != file:
        write(CHANGE, file)


def read_armed() -> Armed | None:
    """The change that awaits confirmation, or None."""
    fields, _ = _read(ARMED)
    if fields is None:
        return None
    former = {Path(path): file_from(item) for path, item in fields["former"].items()}
    original, sites = fields.get("original"), fields.get("sites")
    return Armed(
        fields["seconds"],
        former,
        fields["boot"],
        fields["at"],
        None if original is None else original_from(original),
        fields.get("policies"),
        None if sites is None else {name: needs_from(needs) for name, needs in sites.items()},
        fields.get("needsOutside", False),
    )


def write_armed(armed: Armed | None) -> None:
    """Writes what the undo needs, or deletes it."""
    if armed is None:
        write(ARMED, None)
        return
    former = {
        str(path): None if file is None else {"mode": file.mode, "text": file.content.decode(errors="surrogateescape")}
        for path, file in armed.former.items()
    }
    fields: dict[str, object] = {
        "seconds": armed.seconds,
        "former": former,
        "boot": armed.boot,
        "at": armed.at,
    }
    added = {
        "original": None if armed.original is None else original_fields(armed.original),
        "policies": armed.policies,
        "sites": None if armed.sites is None else {name: needs_fields(needs) for name, needs in armed.sites.items()},
        "needsOutside": armed.needs_outside,
    }
    # Version 1 has only the first four. It cannot say what ufw was before if the upgrade turned ufw on.
    if _is_upgrading() and not any(added.values()):
        write(ARMED, _file(fields, 1))
    else:
        write(ARMED, _file({**fields, **added}))


def read_ranges() -> Ranges | None:
    """The last good ranges."""
    fields, _ = _read(RANGES)
    return None if fields is None else parse_ranges(fields["ipv4"], fields["ipv6"])


def ranges_file(ranges: Ranges) -> dict[Path, File | None]:
    """The file of the last good ranges, for the caller to write together with the rules."""
    return {RANGES: _file(ranges._asdict())}


def read_sites() -> dict[str, Needs]:
    """Firewall requirements of every site on this host, whichever stack owns it."""
    fields, version = _read(SITES)
    if fields is None:
        return {}
    sites = {name: needs_from(needs) for name, needs in versions.sites_fields(fields, version).items()}
    if version != 1:
        return sites
    request = read_change().request
    granted: Mapping[str, Needs] = {} if request is None else request.needs
    # The last request has what version 1 does not store.
    return {
        name: granted[name] if name in granted and granted[name].owner == needs.owner else needs
        for name, needs in sites.items()
    }


def sites_to_undo() -> Mapping[str, Needs] | None:
    """The sites that the undo of a change puts back; None during an upgrade from version 1."""
    return None if _is_upgrading() else read_sites()


def sites_with(request: Request) -> dict[str, Needs]:
    """The same, with a request's sites added."""
    return {**read_sites(), **request.needs}


def sites_file(sites: Mapping[str, Needs]) -> dict[Path, File | None]:
    """The file of these requirements, for the caller to write together with the rules."""
    return {SITES: _sites_file(sites, 1 if _is_upgrading() else VERSION) if sites else None}


def finish_upgrade() -> None:
    """Writes everything in the current version. The stack's state has no delete command of an older agent any more."""
    if _is_upgrading():
        sites, change = read_sites(), read_change()
        write(SITES, _sites_file(sites, VERSION))
        write_change(change)


def sites_of(owner: str) -> set[str]:
    """The sites that this owner has deployed."""
    return {site for site, needs in read_sites().items() if needs.owner == owner}


def is_taken_over(site: str, owner: str) -> bool:
    """Whether another owner has deployed the site since."""
    needs = read_sites().get(site)
    return needs is not None and needs.owner is not None and needs.owner != owner


def forget_site(site: str, owner: str) -> None:
    """Removes a deleted site from the list, unless another owner has it now."""
    sites = read_sites()
    if not is_taken_over(site, owner) and sites.pop(site, None) is not None:
        write(SITES, sites_file(sites)[SITES])


def forget() -> None:
    """Removes every record."""
    for path in (ARMED, CHANGE, RANGES, SITES, ORIGINAL, STATUS):
        write(path, None)
    if FOLDER.exists() and not any(FOLDER.iterdir()):
        FOLDER.rmdir()


def _read(path: Path) -> tuple[dict[str, Any] | None, int]:
    """The fields of a file and its version; None where there is no file.

    Raises RefusedError for a version that is newer than this agent.
    """
    file = read(path)
    if file is None:
        return None, VERSION
    fields: dict[str, Any] = json.loads(file.content)
    version: int = fields.pop("version", 1)
    _refuse_newer(path, version)
    return fields, version


def _refuse_newer(path: Path, version: int) -> None:
    if version > VERSION:
        raise RefusedError(
            f"{path} is from a newer version of this program: run `pulumi up` with that version, and `pulumi destroy` "
            "only after that"
        )


def _is_upgrading() -> bool:
    """Whether the host's sites are still in version 1."""
    fields, version = _read(SITES)
    return fields is not None and version == 1


def _sites_file(sites: Mapping[str, Needs], version: int) -> File:
    named = {name: needs_fields(needs) for name, needs in sites.items()}
    return _file(versions.stored_sites(named) if version == 1 else {"sites": named}, version)


def _file(fields: Mapping[str, object], version: int = VERSION) -> File:
    # Version 1 did not say so.
    versioned = fields if version == 1 else {"version": version, **fields}
    return File(f"{json.dumps(versioned)}\n".encode(), 0o600)
