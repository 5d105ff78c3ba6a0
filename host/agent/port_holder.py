"""Finds out who holds a port on which nginx is to serve the sites."""

from collections.abc import Collection
from typing import NamedTuple

from agent.errors import RefusedError
from agent.listeners.publications import published_ports
from agent.listeners.sockets import DOCKER_PROXY, listeners
from agent.nginx import service
from agent.nginx.configuration import read_directives
from agent.system import is_installed

_NGINX = "nginx"
_UNIT = "nginx.service"
# What to propose as another port for the sites
WAYS_OUT = (8443, 9443)


class Holder(NamedTuple):
    """Somebody else on the port."""

    # Program, container and unit, as far as known
    who: str
    # What to do on the host, as the first words of a sentence
    remedy: str
    port: int

    @property
    def problem(self) -> str:
        """What it does."""
        return f"{self.who} has port {self.port}, on which nginx must serve the site"


def find_holder(ports: Collection[int], dump: str | None = None) -> Holder | None:
    """Who holds one of the ports, apart from nginx's own servers for HTTP; None if nobody does.

    `dump` is what `nginx -T` prints; by default it is asked.
    """
    text = _configuration() if dump is None else dump
    held = (_container(port) or _process(port) or _stream(port, text) for port in ports)
    return next((one for one in held if one is not None), None)


def refuse_holder(ports: Collection[int]) -> None:
    """Raises RefusedError if somebody else holds one of the ports."""
    found = find_holder(ports)
    if found is not None:
        raise RefusedError(f"{found.problem}; {found.remedy}; then run `pulumi up` again")


def _holder(who: str, remedy: str, port: int) -> Holder:
    """The way out comes last, because it changes nothing for whoever has the port."""
    other = next(one for one in WAYS_OUT if one != port)
    return Holder(
        who, f"{remedy}; or leave it and serve the sites elsewhere (`pulumi config set originPort {other}`)", port
    )


def _container(port: int) -> Holder | None:
    """A container that is published there. The kernel passes its packets on before any program gets them."""
    for one in published_ports():
        if one.port == port and one.protocol == "tcp":
            who = f"the container {one.container}" if one.container else f"the container at {one.endpoint}"
            return _holder(who, f"publish its port {one.target_port} on another port of the host than {port}", port)
    return None


def _process(port: int) -> Holder | None:
    for one in listeners():
        if one.port != port or (one.program == _NGINX and one.unit == _UNIT and not one.container):
            continue
        if one.container or one.program == DOCKER_PROXY:
            who = f"the container {one.container}" if one.container else f"{one.holder}, for a container,"
            return _holder(who, f"have it use another port than {port}, or stop it", port)
        stop = f" (`systemctl disable --now {one.unit}`)" if one.unit else ""
        return _holder(one.holder, f"have it listen on another port than {port}, or stop it{stop}", port)
    return None


def _stream(port: int, dump: str) -> Holder | None:
    """A server of nginx's own block `stream`, which passes connections on without looking into them."""
    for block in read_directives(dump):
        for server in block.all("server") if block.name == "stream" else ():
            for listen in server.all("listen"):
                address, *options = listen.arguments
                if address.rpartition(":")[2] == str(port) and "udp" not in options:
                    who = f"nginx's own `stream` server at {listen.place}"
                    return _holder(who, f"have it listen on another port than {port}", port)
    return None


def _configuration() -> str:
    return service.configuration() if is_installed(_NGINX) else ""
