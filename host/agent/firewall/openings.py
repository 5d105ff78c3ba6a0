"""Parses what the firewall lets in besides Cloudflare: networks for SSH, and ports that stay open, in ufw's syntax.

settings/openings.ts accepts the same values.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall.rules import ANYWHERE

_PORTS = r"[1-9][0-9]{0,4}(?::[1-9][0-9]{0,4})?(?:,[1-9][0-9]{0,4}(?::[1-9][0-9]{0,4})?)*"
# Those for which ufw 0.36.2 has rules; 0.36.1 has none for vrrp.
_PORTLESS = "ah|esp|gre|ipv6|vrrp"
OPENING = re.compile(rf"(?:({_PORTS})(?:/(tcp|udp))?|({_PORTLESS}))(?: from (\S+))?")
NETWORK = re.compile(r"[0-9a-fA-F.:]+(?:/(?:0|[1-9][0-9]{0,2}))?")

# ufw takes 15 ports in a rule, of which a span counts as two.
MOST_PORTS = 15


class Opening(NamedTuple):
    """Ports, or a protocol without ports, that stay open."""

    # In ufw's form, as in "8123" or "22,6000:6007"; "any" for a protocol without ports
    ports: str
    # "tcp", "udp", "any" for both, or one without ports
    protocol: str
    # None for everyone, over both IP versions
    network: str | None

    def sources(self, version: int) -> list[str]:
        """The networks of one IP version that it lets in."""
        if self.protocol == "ipv6" and version == 6:
            # ufw has no rule for IPv6 in IPv6.
            return []
        if self.network is None:
            return [ANYWHERE[version == 6]]
        return [self.network] if ipaddress.ip_network(self.network).version == version else []

    @property
    def text(self) -> str:
        """In the words of the setting."""
        source = "" if self.network is None else f" from {self.network}"
        if self.ports == "any":
            return f"{self.protocol}{source}"
        protocol = "" if self.protocol == "any" else f"/{self.protocol}"
        return f"{self.ports}{protocol}{source}"


def parse_network(text: str) -> str:
    """A network in canonical form, or an address as a network; raises RefusedError."""
    try:
        if not NETWORK.fullmatch(text):
            raise ValueError
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise RefusedError(f"{text[:60]!r} is no network like 192.168.1.0/24") from None


def parse_opening(text: str) -> Opening:
    """An opening, like `8123/tcp from 192.168.1.0/24`; raises RefusedError."""
    found = OPENING.fullmatch(text)
    if found is None:
        raise RefusedError(f"{text[:60]!r} is not in ufw's syntax, like 8123/tcp from 192.168.1.0/24 or 51820/udp")
    ports, protocol, portless, network = found.groups()
    source = None if network is None else parse_network(network)
    if portless == "ipv6" and source is not None and ipaddress.ip_network(source).version == 6:
        raise RefusedError(f"{text[:60]!r}: IPv6 in IPv4 comes from IPv4 addresses only")
    if portless is not None:
        return Opening("any", portless, source)
    spans = [[int(port) for port in part.split(":")] for part in ports.split(",")]
    numbers = [port for span in spans for port in span]
    wrong = max(numbers) > 65535 or any(len(span) == 2 and span[0] >= span[1] for span in spans)
    if wrong or len(numbers) > MOST_PORTS or (protocol is None and len(numbers) > 1):
        raise RefusedError(f"{text[:60]!r} has ports that ufw does not take")
    return Opening(ports, protocol or "any", source)


def parse_networks(texts: Sequence[str]) -> list[str]:
    """The networks of a setting; raises RefusedError."""
    return [parse_network(text) for text in texts]
