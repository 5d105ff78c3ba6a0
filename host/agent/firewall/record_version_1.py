"""The files of version 0.1.0 of this program: the firewall's records, and what a site's nginx file serves.

Its records had no version. They stored each site's needs by position, and a change's request as the raw payload.
"""

from collections.abc import Mapping
from typing import Any

# In the order of the file. The fourth was added later.
_POSITIONS = ("sshPort", "upstreamPort", "droppedPort", "owner")


def sites_fields(sites: Mapping[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """The sites by name, with named fields. What each site serves was not stored."""
    return {
        name: {"serves": None, "owner": None, **dict(zip(_POSITIONS, needs, strict=False))}
        for name, needs in sites.items()
    }


def stored_sites(sites: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The reverse of `sites_fields`."""
    return {name: [fields.get(position) for position in _POSITIONS] for name, fields in sites.items()}


def change_fields(change: Mapping[str, Any]) -> dict[str, Any]:
    """A change with named fields, and the version of its request."""
    payload: Mapping[str, Any] = change["payload"] or {}
    return {
        "version": payload.get("version", 1),
        "number": change["number"],
        "request": payload["request"] if "version" in payload else _request_fields(change["payload"]),
        "sshPorts": change["ssh_ports"],
        "undone": change["undone"],
    }


def stored_change(fields: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A change of a later version, for the agent of 0.1.0, which reads everything but the request to remove sites.

    The payload holds the request as the later version stores it.
    """
    return {
        "number": fields["number"],
        "payload": None if fields["request"] is None else {"version": version, "request": fields["request"]},
        "ssh_ports": fields["sshPorts"],
        "undone": fields["undone"],
    }


def _request_fields(payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The request of a change with named fields; None before the first change."""
    if payload is None:
        return None
    drops = payload.get("dockerPublishedPort") == "drop"
    sites = {
        site["site"]: {
            "serves": site["serves"],
            "sshPort": payload["sshPort"],
            "upstreamPort": site.get("upstreamPort"),
            "droppedPort": site.get("upstreamPort") if drops else None,
            "owner": payload.get("owner"),
        }
        for site in payload["sites"]
    }
    return {**{name: payload[name] for name in ("sshPort", "ranges", "confirmSeconds")}, "sites": sites}


def served_by(text: str) -> str | None:
    """What a site serves, by the first line of its nginx file; None if that line does not say."""
    first = text.split("\n", 1)[0]
    return next((what for what in ("immich", "shares") if f", which serves {what}, " in first), None)
