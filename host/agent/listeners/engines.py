"""Asks the host's container engines which containers run and what they publish. It starts no engine."""

import functools
import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from agent.display import displayable_name
from agent.errors import HostError
from agent.listeners.processes import is_running
from agent.system import is_installed, run

# Only root may put a socket here; what other users' engines say is not asked.
DOCKER = Path("/run/docker.sock")
DOCKER_UNITS = ("docker.service", "snap.docker.dockerd.service")
# The process that watches each of Podman's containers
PODMAN_MONITOR = "conmon"

SECONDS = 3.0
LIMIT_BYTES = 4 * 1024 * 1024
# A container may publish a whole range of ports.
WIDEST_RANGE = 2048

ADDRESS_KEYS = ("IPAddress", "GlobalIPv6Address")


class Port(NamedTuple):
    """A port of a container that is published on the host."""

    protocol: str
    # Empty for every address
    address: str
    port: int
    container_port: int


class Container(NamedTuple):
    """A running container."""

    identity: str
    name: str
    # Its addresses in the engine's networks
    addresses: Sequence[str]
    ports: Sequence[Port]
    # Labels, in which a proxy such as Traefik finds names to serve
    labels: dict[str, str]


@functools.cache
def containers() -> list[Container]:
    """The running containers of Docker and of root's Podman, read once per step; empty without an engine.

    An engine that does not answer in time counts as none: the kernel's rules still tell what it publishes.
    """
    return [*_docker(), *_podman()]


@functools.cache
def bridges() -> set[str]:
    """The bridges of Docker's networks that their owner has named."""
    names: set[str] = set()
    for item in _ask_docker("/networks"):
        names.add(str(_fields(item, "Options").get("com.docker.network.bridge.name", "")))
    return names - {""}


def container_names() -> dict[str, str]:
    """The containers' names, by their ids."""
    return {container.identity: container.name for container in containers()}


def parse_docker(listing: Any) -> list[Container]:
    """The containers in an answer to GET /containers/json (Docker Engine API v1.24 and later)."""
    found: list[Container] = []
    for item in listing:
        networks = _fields(_fields(item, "NetworkSettings"), "Networks")
        addresses = [str(network[key]) for network in networks.values() for key in ADDRESS_KEYS if network.get(key)]
        ports = [
            Port(str(port["Type"]), _address(port.get("IP")), int(port["PublicPort"]), int(port["PrivatePort"]))
            for port in _items(item, "Ports")
            if port.get("PublicPort")
        ]
        found.append(_container(item, addresses, ports))
    return found


def parse_podman(listing: Any) -> list[Container]:
    """The containers in the output of `podman ps --format json`, which does not tell their addresses."""
    found: list[Container] = []
    for item in listing:
        ports = [
            Port(protocol, _address(port.get("host_ip")), port["host_port"] + at, port["container_port"] + at)
            for port in _items(item, "Ports")
            for protocol in str(port.get("protocol", "tcp")).split(",")
            for at in range(min(int(port.get("range", 1)), WIDEST_RANGE))
            if port.get("host_port")
        ]
        found.append(_container(item, [], ports))
    return found


def _container(item: Mapping[str, Any], addresses: Sequence[str], ports: Sequence[Port]) -> Container:
    identity = str(item["Id"])
    names = _items(item, "Names")
    name = displayable_name(str(names[0]).lstrip("/") if names else identity[:12])
    labels = {str(key): str(value) for key, value in _fields(item, "Labels").items()}
    return Container(identity, name, addresses, ports, labels)


def _fields(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    fields: dict[str, Any] = item.get(key) or {}
    return fields


def _items(item: Mapping[str, Any], key: str) -> list[Any]:
    items: list[Any] = item.get(key) or []
    return items


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


def _docker() -> list[Container]:
    try:
        return parse_docker(_ask_docker("/containers/json"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _ask_docker(path: str) -> list[Any]:
    """The list with which Docker's API answers; empty where it does not answer."""
    # A connection to its socket would start an engine that is stopped.
    if not DOCKER.is_socket() or run(["systemctl", "is-active", *DOCKER_UNITS], check=False).returncode != 0:
        return []
    connection = _SocketConnection(DOCKER)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        listed: Any = json.loads(answer.read(LIMIT_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return []
    finally:
        connection.close()
    return cast("list[Any]", listed) if answer.status == 200 and isinstance(listed, list) else []


def _podman() -> list[Container]:
    if not is_installed("podman") or not is_running(PODMAN_MONITOR):
        return []
    try:
        return parse_podman(json.loads(run(["podman", "ps", "--format", "json"], timeout=SECONDS).stdout or "[]"))
    except (HostError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _address(text: Any) -> str:
    return "" if text in (None, "", "0.0.0.0", "::") else str(text)
