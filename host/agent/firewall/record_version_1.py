"""Reads what version 0.1.0 of this program has left on a host: the firewall's records, and what a site's file shows.

Its records had no version. It kept each site's needs by position, and a change's request as the payload that came.
"""

from collections.abc import Mapping
from typing import Any

# In the order in which they were kept; the fourth came later.
_POSITIONS = ("sshPort", "upstreamPort", "droppedPort", "owner")


def sites_fields(sites: Mapping[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """The sites by name with named fields; what each serves was not kept."""
    return {
        name: {"serves": None, "owner": None, **dict(zip(_POSITIONS, needs, strict=False))}
        for name, needs in sites.items()
    }


def request_fields(payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
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
    """What a site's file in nginx serves by its first line; None where that does not tell."""
    first = text.split("\n", 1)[0]
    return next((what for what in ("immich", "shares") if f", which serves {what}, " in first), None)
