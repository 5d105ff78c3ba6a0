"""Finds the ports that nginx needs and another program has."""

import re
from collections.abc import Iterable

from agent.errors import RefusedError
from agent.listeners.sockets import Listener, listeners
from agent.nginx import service
from agent.nginx.listen import HTTPS_PORT, WILDCARDS, Endpoint, Listen

PROGRAM = re.compile(r'"([\w.+: -]{1,64})",pid=(\d+)')


def refuse_taken(own: Iterable[Endpoint], others: Iterable[Listen]) -> None:
    """Raises RefusedError where another program listens on an endpoint of ours, or of another server of nginx's.

    The other servers' endpoints count only while nginx does not run: otherwise it has them already.
    """
    master = service.master()
    foreign = [one for one in listeners() if f"pid={master}," not in one.programs]
    for endpoint in own:
        for holder in foreign:
            if _collide(endpoint, holder):
                raise RefusedError(
                    f"port {HTTPS_PORT} of {holder.address} is held by {_programs(holder)}, and nginx needs it; "
                    "give that program another port"
                )
    for other in others if not service.is_active() else ():
        for holder in foreign:
            if _collide(other.endpoint, holder):
                raise RefusedError(
                    f"nginx cannot start: port {holder.port} of {holder.address} is held by {_programs(holder)}, and "
                    f"`{' '.join(('listen', *other.directive.arguments))}` ({other.directive.place}) wants it, which "
                    "the site does not need; take that server out of nginx, or give the other program another port"
                )


def _collide(endpoint: Endpoint, holder: Listener) -> bool:
    """Whether the kernel would refuse to bind the endpoint while the holder listens."""
    if endpoint.port != holder.port:
        return False
    # `ss` prints a star for a socket of both families.
    same_family = holder.address == "*" or endpoint.is_ipv6 == (":" in holder.address)
    return same_family and (endpoint.address in WILDCARDS or holder.is_everywhere or endpoint.address == holder.address)


def _programs(holder: Listener) -> str:
    found = [f"{name} (process {pid})" for name, pid in PROGRAM.findall(holder.programs)]
    return " and ".join(found[:3]) or "a program that `ss -ltnp` does not name"
