"""The ports of this host that are forwarded to other addresses, as the guard compares them: TCP ones, by endpoint."""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from agent.listeners import publications


class Endpoint(NamedTuple):
    """An address and a TCP port."""

    address: str
    port: int


class Publication(NamedTuple):
    """A port of the host that is forwarded."""

    # The host's address that the port is for; None for every one
    address: str | None
    port: int
    target: Endpoint

    def answers_at(self, address: str) -> bool:
        """Whether it is for this address of the host."""
        return self.address in (None, address)


def published() -> list[Publication]:
    """Every forwarded TCP port of the host, of both IP versions."""
    return list_tcp(publications.published_ports())


def list_tcp(found: Iterable[publications.Publication]) -> list[Publication]:
    """The TCP ports among these publications whose target's address is known."""
    listed = [
        Publication(_specific(one.address), one.port, Endpoint(str(ipaddress.ip_address(one.target)), one.target_port))
        for one in found
        if one.protocol == "tcp" and one.target
    ]
    return list(dict.fromkeys(listed))


def _specific(text: str) -> str | None:
    """The address of a network of one; None for a wider network."""
    network = ipaddress.ip_network(text)
    return str(network.network_address) if network.num_addresses == 1 else None
