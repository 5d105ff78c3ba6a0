"""Reads Docker's containers and networks from its socket. Nothing is changed there."""

import functools
import http.client
import json
import socket
from pathlib import Path
from typing import Any, NamedTuple

SOCKET = "/run/docker.sock"
# systemd would start Docker for whoever opens the socket, so it is opened only while dockerd runs.
DAEMON = Path("/run/docker.pid")
SECONDS = 3.0


class Port(NamedTuple):
    """A published TCP port of a container."""

    host_address: str
    public: int
    private: int


class Container(NamedTuple):
    """A running container with its addresses in all of its networks."""

    addresses: list[str]
    ports: list[Port]


class _Connection(http.client.HTTPConnection):
    """HTTP over the socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(SOCKET)


@functools.cache
def containers() -> list[Container]:
    """The running containers; none where Docker does not run or does not answer."""
    return [parse_container(item) for item in _get("/containers/json")]


@functools.cache
def bridges() -> set[str]:
    """Bridges of Docker networks that their owner has named."""
    names: set[str] = set()
    for item in _get("/networks"):
        options: dict[str, str] = item.get("Options") or {}
        names.add(options.get("com.docker.network.bridge.name", ""))
    return names - {""}


def parse_container(item: dict[str, Any]) -> Container:
    """One entry of the answer to `/containers/json`."""
    settings: dict[str, dict[str, dict[str, str]]] = item.get("NetworkSettings") or {}
    networks = (settings.get("Networks") or {}).values()
    addresses = [network.get(key, "") for network in networks for key in ("IPAddress", "GlobalIPv6Address")]
    listed: list[dict[str, Any]] = item.get("Ports") or []
    ports = [
        Port(port.get("IP", ""), port["PublicPort"], port["PrivatePort"])
        for port in listed
        if port.get("Type") == "tcp" and "PublicPort" in port
    ]
    return Container([address for address in addresses if address], ports)


def _get(path: str) -> list[dict[str, Any]]:
    """The list that the API answers with; empty where it does not answer."""
    if not DAEMON.exists():
        return []
    connection = _Connection("localhost")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else []
    except (OSError, ValueError, http.client.HTTPException):
        return []
    finally:
        connection.close()
