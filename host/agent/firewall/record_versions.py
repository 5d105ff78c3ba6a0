"""The firewall's records of older versions of this program, and what a site's nginx file of 0.1.0 serves.

Version 1, of 0.1.0, had no number. It stored each site's needs by position, and a change's request as the raw payload.
Version 2 has names for the fields, but only the port of an upstream on the host. Version 3 has no ports of the sites,
which nginx served on 443 alone.
"""

from collections.abc import Mapping
from typing import Any

from agent.firewall.rules import HTTPS_PORT

# In the order of the file of version 1. The fourth was added later.
_POSITIONS = ("sshPort", "upstreamPort", "droppedPort", "owner")


def sites_fields(fields: Mapping[str, Any], version: int) -> Mapping[str, Mapping[str, Any]]:
    """The sites by name, with the fields of the current version. Version 1 did not store what each serves."""
    if version == 1:
        named = {
            name: {"serves": None, "owner": None, **dict(zip(_POSITIONS, needs, strict=False))}
            for name, needs in fields.items()
        }
        return {name: _of_version_2(needs) for name, needs in named.items()}
    sites: Mapping[str, Mapping[str, Any]] = fields["sites"]
    if version == 2:
        return {name: _of_version_2(needs) for name, needs in sites.items()}
    return {name: _of_version_3(needs) for name, needs in sites.items()} if version == 3 else sites


def request_fields(request: Mapping[str, Any] | None, version: int) -> Mapping[str, Any] | None:
    """The request of a change with the fields of the current version; None before the first change."""
    if request is None:
        return None
    return _request_of_version_1(request) if version == 1 else {**request, "sites": sites_fields(request, version)}


def change_fields(change: Mapping[str, Any]) -> dict[str, Any]:
    """A change of version 1 with the fields of a later one, and the version of its request."""
    payload: Mapping[str, Any] | None = change["payload"]
    later = payload is not None and "version" in payload
    return {
        "version": payload["version"] if payload is not None and later else 1,
        "number": change["number"],
        "request": payload["request"] if payload is not None and later else payload,
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


def stored_sites(sites: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The sites of a later version in version 1, for the same agent. No port is dropped in the chain DOCKER-USER."""
    return {
        name: [needs["sshPort"], _local_port(needs["upstream"]), None, needs["owner"]] for name, needs in sites.items()
    }


def served_by(text: str) -> str | None:
    """What a site serves, by the first line of its nginx file; None if that line does not say."""
    first = text.split("\n", 1)[0]
    return next((what for what in ("immich", "shares") if f", which serves {what}, " in first), None)


def _request_of_version_1(payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if payload is None:
        return None
    sites = {
        site["site"]: _of_version_2(
            {
                "serves": site["serves"],
                "sshPort": payload["sshPort"],
                "upstreamPort": site.get("upstreamPort"),
                "owner": payload.get("owner"),
            }
        )
        for site in payload["sites"]
    }
    return {**{name: payload[name] for name in ("sshPort", "ranges", "confirmSeconds")}, "sites": sites}


def _of_version_2(needs: Mapping[str, Any]) -> dict[str, Any]:
    """A site's needs with the upstream in place of its port. Only ports of loopback were stored."""
    port = needs.get("upstreamPort")
    return {
        **{name: needs[name] for name in ("serves", "sshPort", "owner")},
        "upstream": None if port is None else f"127.0.0.1:{port}",
        "homeNetworks": [],
        "sshFrom": [],
        "keepOpen": [],
        "originPorts": [HTTPS_PORT],
    }


def _of_version_3(needs: Mapping[str, Any]) -> dict[str, Any]:
    return {**needs, "originPorts": [HTTPS_PORT]}


def _local_port(upstream: str | None) -> int | None:
    """The port of an upstream on loopback, which is all that version 1 has of an upstream."""
    host, _, port = (upstream or "").rpartition(":")
    return int(port) if host in ("127.0.0.1", "localhost", "[::1]") else None
