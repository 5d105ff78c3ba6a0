"""Finds out who holds port 443, on which nginx is to serve the sites."""

from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall.rules import HTTPS_PORT
from agent.listeners.publications import published_ports
from agent.listeners.sockets import DOCKER_PROXY, listeners
from agent.nginx import service
from agent.nginx.configuration import read_directives
from agent.system import is_installed

_NGINX = "nginx"
_UNIT = "nginx.service"


class Holder(NamedTuple):
    """Somebody else on the port."""

    # Program, container and unit, as far as known
    who: str
    # What to do on the host, as the first words of a sentence
    remedy: str

    @property
    def problem(self) -> str:
        """What it does."""
        return f"{self.who} has port {HTTPS_PORT}, on which nginx must serve the site"


def find_holder(dump: str | None = None) -> Holder | None:
    """Who holds the port, apart from nginx's own servers for HTTP; None if nobody does.

    `dump` is what `nginx -T` prints; by default it is asked.
    """
    return _container() or _process() or _stream(_configuration() if dump is None else dump)


def refuse_holder() -> None:
    """Raises RefusedError if somebody else holds the port."""
    found = find_holder()
    if found is not None:
        raise RefusedError(f"{found.problem}; {found.remedy}, and run `pulumi up` again")


def _container() -> Holder | None:
    """A container that is published there. The kernel passes its packets on before any program gets them."""
    for one in published_ports():
        if one.port == HTTPS_PORT and one.protocol == "tcp":
            who = f"the container {one.container}" if one.container else f"the container at {one.endpoint}"
            return Holder(who, f"publish its port {one.target_port} on another port of the host than {HTTPS_PORT}")
    return None


def _process() -> Holder | None:
    for one in listeners():
        if one.port != HTTPS_PORT or (one.program == _NGINX and one.unit == _UNIT and not one.container):
            continue
        if one.container or one.program == DOCKER_PROXY:
            who = f"the container {one.container}" if one.container else f"{one.holder}, for a container,"
            return Holder(who, f"have it use another port than {HTTPS_PORT}, or stop it")
        stop = f" (`systemctl disable --now {one.unit}`)" if one.unit else ""
        return Holder(f"{one.holder}", f"have it listen on another port than {HTTPS_PORT}, or stop it{stop}")
    return None


def _stream(dump: str) -> Holder | None:
    """A server of nginx's own block `stream`, which passes connections on without looking into them."""
    for block in read_directives(dump):
        for server in block.all("server") if block.name == "stream" else ():
            for listen in server.all("listen"):
                address, *options = listen.arguments
                if address.rpartition(":")[2] == str(HTTPS_PORT) and "udp" not in options:
                    return Holder(
                        f"nginx's own `stream` server at {listen.place}",
                        f"have it listen on another port than {HTTPS_PORT}",
                    )
    return None


def _configuration() -> str:
    return service.configuration() if is_installed(_NGINX) else ""
