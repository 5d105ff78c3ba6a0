"""Finds the ports that nginx needs and another program has."""

from collections.abc import Iterable

from agent.errors import RefusedError
from agent.listeners.sockets import Listener, listeners
from agent.nginx import service
from agent.nginx.listen import WILDCARDS, Endpoint, Listen


def refuse_taken(own: Iterable[Endpoint], others: Iterable[Listen]) -> None:
    """Raises RefusedError where another program listens on an endpoint of ours, or of another server of nginx's.

    The other servers' endpoints count only while nginx does not run: otherwise it has them already.
    """
    master = service.master()
    foreign = [one for one in listeners() if str(one.pid) != master]
    for endpoint in own:
        for holder in foreign:
            if _collide(endpoint, holder):
                raise RefusedError(
                    f"port {endpoint.port} of {holder.address} is held by {_program(holder)}, and nginx needs it; "
                    "give that program another port"
                )
    for other in others if not service.is_active() else ():
        for holder in foreign:
            if _collide(other.endpoint, holder):
                raise RefusedError(
                    f"nginx cannot start: port {holder.port} of {holder.address} is held by {_program(holder)}, and "
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


def _program(holder: Listener) -> str:
    name = f"the container {holder.container}" if holder.container else holder.program
    return name if holder.pid is None else f"{name} (process {holder.pid})"
