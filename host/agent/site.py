"""Validates host names and upstreams before they become part of a path, an argument or nginx's configuration."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Literal

from agent.errors import RefusedError

# What a site serves: Immich itself, or its public shares through immich-public-proxy.
IMMICH: Literal["immich"] = "immich"
SHARES: Literal["shares"] = "shares"

LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
# No name ends in a number, decimal or hexadecimal: resolvers take 127.1 and 0x7f000001 for 127.0.0.1.
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\Z){LABEL}")
ENDPOINT = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[1-9][0-9]{0,4})")


def require_different(hostnames: Sequence[str]) -> None:
    """Raises RefusedError if two of a payload's sites have the same host name."""
    repeated = sorted({name for name in hostnames if hostnames.count(name) > 1})
    if repeated:
        raise RefusedError(f"the payload has the site {' and '.join(repeated)} twice")


def check_upstream(endpoint: str) -> str:
    """Returns an upstream like `address:port`, `[IPv6 address]:port` or `name:port`; raises RefusedError otherwise."""
    match = ENDPOINT.fullmatch(endpoint)
    if match is None or int(match["port"]) > 65535 or not _is_host(match["ipv6"], match["host"]):
        raise RefusedError(f"{endpoint!r} is no upstream like 127.0.0.1:2283")
    return endpoint


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """The host and the port of an upstream that `check_upstream` accepts; an IPv6 address without its brackets."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _is_host(ipv6: str | None, host: str | None) -> bool:
    try:
        if ipv6 is not None:
            return ipaddress.ip_address(ipv6).version == 6
        return ipaddress.ip_address(host or "").version == 4
    except ValueError:
        return ipv6 is None and HOSTNAME.fullmatch(host or "") is not None
