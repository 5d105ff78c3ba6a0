"""What the daily refresh found, for whoever monitors the host: one line of JSON in the journal, and the same in a file.

The file is for everybody to read, so it has counts and times, and neither names of programs nor reasons. These are in
the journal and in the doctor.
"""

import contextlib
import json
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from agent import answer, contract
from agent.certificates.store import Store
from agent.certificates.x509 import read_certificates
from agent.errors import HostError
from agent.files import File, read, write
from agent.firewall import record

VERSION = 1

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
_NO_TIME = {"anyOf": [_TIME, {"type": "null"}]}
# The fields of this version. One that another version of the agent has added is left out by `last`.
_FIELDS: Mapping[str, contract.Schema] = {
    "time": _TIME,
    "ok": {"type": "boolean"},
    "ranges": {
        "type": "object",
        "properties": {"ipv4": {"type": "integer"}, "ipv6": {"type": "integer"}, "fetched": _NO_TIME},
        "required": ["ipv4", "ipv6", "fetched"],
        "additionalProperties": False,
    },
    "guardInForce": {"type": ["boolean", "null"]},
    "waysIn": {"type": ["integer", "null"]},
    "certificates": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"hostname": {"type": "string"}, "endsOn": _NO_TIME},
            "required": ["hostname", "endsOn"],
            "additionalProperties": False,
        },
    },
}


class Found:
    """What a refresh has found so far."""

    def __init__(self) -> None:
        # Whether the guard was in force before the refresh renewed it; None if it was not looked at
        self.guard: bool | None = None
        # Ways to Immich past nginx's guard; None if they were not looked for
        self.ways_in: int | None = None
        # Whether the ranges are Cloudflare's of now
        self.fetched = False


@contextmanager
def reported() -> Generator[Found, None, None]:
    """Runs a refresh and tells what it found, whether it ends well or not."""
    found = Found()
    try:
        yield found
    except BaseException:
        _tell(found, ok=False)
        raise
    _tell(found, ok=True)


def last() -> dict[str, Any] | None:
    """What the last refresh found; None before the first one, or if its file is none of this version."""
    file = read(record.STATUS)
    if file is None:
        return None
    try:
        told: Any = json.loads(file.content)
        if told["version"] != VERSION:
            return None
        fields = {name: told[name] for name in _FIELDS}
    except (ValueError, KeyError, TypeError):
        return None
    damaged = any(contract.problems(fields[name], schema, name) for name, schema in _FIELDS.items())
    return None if damaged else fields


def _tell(found: Found, *, ok: bool) -> None:
    now = _rfc3339(time.time())
    before = last() or {}
    fetched = now if found.fetched else before.get("ranges", {}).get("fetched")
    fields = answer.refresh(
        now, ok, record.read_ranges(), fetched, guard=found.guard, ways_in=found.ways_in, certificates=_certificates()
    )
    line = json.dumps({"version": VERSION, **fields})
    print(line, flush=True)
    # A full disk must not hide what the refresh has to say.
    with contextlib.suppress(OSError):
        write(record.STATUS, File(f"{line}\n".encode()))


def _certificates() -> Mapping[str, str | None]:
    """When the origin certificate of each site ends; None for one that cannot be read."""
    return {name: _end(name) for name in sorted(record.read_sites())}


def _end(site: str) -> str | None:
    try:
        file = read(Store(site).current / "origin.pem")
        if file is None:
            return None
        return _rfc3339(read_certificates(file.content.decode(errors="replace"), "origin certificate")[0].ends)
    except (HostError, OSError):
        return None


def _rfc3339(moment: float) -> str:
    return time.strftime(_FORM, time.gmtime(moment))
