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
OPENING = re.compile(rf"({_PORTS})(?:/(tcp|udp))?(?: from (\S+))?")
NETWORK = re.compile(r"[0-9a-fA-F.:]+(?:/(?:0|[1-9][0-9]{0,2}))?")

# ufw takes 15 ports in a rule, of which a span counts as two.
MOST_PORTS = 15


class Opening(NamedTuple):
    """Ports that stay open."""

    # In ufw's form, as in "8123" or "22,6000:6007"
    ports: str
    # "tcp", "udp" or "any"
    protocol: str
    # None for everyone, over both IP versions
    network: str | None

    def sources(self, version: int) -> list[str]:
        """The networks of one IP version that it lets in."""
        if self.network is None:
            return [ANYWHERE[version == 6]]
        return [self.network] if ipaddress.ip_network(self.network).version == version else []

    @property
    def text(self) -> str:
        """In the words of the setting."""
        protocol = "" if self.protocol == "any" else f"/{self.protocol}"
        return f"{self.ports}{protocol}{'' if self.network is None else f' from {self.network}'}"


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
    ports, protocol, network = found.groups()
    spans = [[int(port) for port in part.split(":")] for part in ports.split(",")]
    numbers = [port for span in spans for port in span]
    wrong = max(numbers) > 65535 or any(len(span) == 2 and span[0] >= span[1] for span in spans)
    if wrong or len(numbers) > MOST_PORTS or (protocol is None and len(numbers) > 1):
        raise RefusedError(f"{text[:60]!r} has ports that ufw does not take")
    return Opening(ports, protocol or "any", None if network is None else parse_network(network))


def parse_networks(texts: Sequence[str]) -> list[str]:
    """The networks of a setting; raises RefusedError."""
    return [parse_network(text) for text in texts]
