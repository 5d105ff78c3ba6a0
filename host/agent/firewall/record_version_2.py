"""Reads the firewall's records of version 2, whose sites had neither sshFrom nor keepOpen."""

from collections.abc import Mapping
from typing import Any


def sites_fields(sites: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The sites by name with the fields of version 3."""
    return {name: {**fields, "sshFrom": [], "keepOpen": []} for name, fields in sites.items()}


def request_fields(request: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The request of a change with the fields of version 3; None before the first change."""
    return None if request is None else {**request, "sites": sites_fields(request["sites"])}
