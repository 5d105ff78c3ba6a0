"""Reads the firewall's records of version 2, which knew neither sshFrom nor keepOpen."""

from collections.abc import Mapping
from typing import Any


def request_fields(request: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The request of a change with the fields of version 3; None before the first change."""
    return None if request is None else {**request, "sshFrom": [], "keepOpen": []}
