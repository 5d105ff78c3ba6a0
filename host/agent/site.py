"""What a site's steps are told, checked before it becomes part of a path, an argument or nginx's configuration."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from agent.errors import HostError

# What a site shows: Immich itself, or what immich-public-proxy makes of it.
IMMICH, SHARES = "immich", "shares"

LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
# No name ends in a number, decimal or hexadecimal: resolvers take 127.1 and 0x7f000001 for 127.0.0.1.
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\Z){LABEL}")
ENDPOINT = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[1-9][0-9]{0,4})")


def listed(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the payload says of each site; raises HostError if it names none, or one twice."""
    value = payload.get("sites")
    entries = cast("list[object]", value) if isinstance(value, list) else []
    sites = [cast("Mapping[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
    names = {checked_hostname(text(site, "site")) for site in sites}
    if not sites or len(sites) != len(entries) or len(names) != len(sites):
        raise HostError("the payload's 'sites' is no list of different sites; nothing has been changed")
    return sites


def text(payload: Mapping[str, Any], name: str) -> str:
    """One text of the payload; raises HostError if it is missing or no text."""
    value = payload.get(name)
    if not isinstance(value, str) or not value.strip():
        raise HostError(f"the payload's {name!r} is no text; nothing has been changed")
    return value


def flag(payload: Mapping[str, Any], name: str) -> bool:
    """One yes or no of the payload; raises HostError if it is missing or neither."""
    value = payload.get(name)
    if not isinstance(value, bool):
        raise HostError(f"the payload's {name!r} is neither true nor false; nothing has been changed")
    return value


def choice(payload: Mapping[str, Any], name: str, values: Collection[str]) -> str:
    """One text of the payload that is among `values`; raises HostError if it is not."""
    value = text(payload, name)
    if value not in values:
        raise HostError(f"the payload's {name!r} is none of {', '.join(values)}; nothing has been changed")
    return value


def checked_hostname(name: str) -> str:
    """The site's host name: lower case, at least two labels. It names folders and files, so nothing else passes."""
    if "." not in name or not HOSTNAME.fullmatch(name):
        raise HostError(f"{name!r} is no host name like photos.example.com; nothing has been changed")
    return name


def checked_upstream(endpoint: str) -> str:
    """Where a service is, `address:port`, `[IPv6 address]:port` or `name:port`."""
    match = ENDPOINT.fullmatch(endpoint)
    if match is None or int(match["port"]) > 65535 or not _is_host(match["ipv6"], match["host"]):
        raise HostError(f"{endpoint!r} is no upstream like 127.0.0.1:2283; nothing has been changed")
    return endpoint


def _is_host(ipv6: str | None, host: str | None) -> bool:
    try:
        if ipv6 is not None:
            return ipaddress.ip_address(ipv6).version == 6
        return ipaddress.ip_address(host or "").version == 4
    except ValueError:
        return ipv6 is None and HOSTNAME.fullmatch(host or "") is not None
