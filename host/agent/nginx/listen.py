"""The addresses on which nginx's servers listen, ours and others."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

from agent.errors import RefusedError
from agent.nginx.configuration import Directive, servers

IPV4, IPV6 = "0.0.0.0", "::"
WILDCARDS = (IPV4, IPV6)


class Endpoint(NamedTuple):
    """An address and a port, as in a socket's name. The addresses 0.0.0.0 and :: stand for every one of a family."""

    address: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether it is one of IPv6."""
        return ":" in self.address

    def __str__(self) -> str:
        """The form that `listen` takes."""
        if self.address == IPV4:
            return str(self.port)
        return f"[{self.address}]:{self.port}" if self.is_ipv6 else f"{self.address}:{self.port}"


class Listen(NamedTuple):
    """One directive `listen` of a server."""

    endpoint: Endpoint
    options: frozenset[str]
    # Whether the server takes TLS there
    is_tls: bool
    directive: Directive

    @property
    def is_default(self) -> bool:
        """Whether its server is said to be the default."""
        return bool(self.options & {"default_server", "default"})


def read_listens(http: Directive | None) -> list[Listen]:
    """The addresses of all servers in the block `http`. A name stands for each of its addresses, as in nginx."""
    found: list[Listen] = []
    for server in servers(http):
        # What nginx before 1.25.1 had in place of `listen … ssl`
        switches = [*server.all("ssl"), *(http.all("ssl") if http is not None else [])]
        has_tls = bool(switches) and switches[0].arguments == ("on",)
        for directive in server.all("listen"):
            address, *options = directive.arguments
            if address.startswith("unix:") or "quic" in options:
                continue
            is_tls = has_tls or "ssl" in options
            found += [Listen(one, frozenset(options), is_tls, directive) for one in _endpoints(address)]
    return found


def foreign_listens(http: Directive | None) -> list[Listen]:
    """Those of servers that are not ours."""
    return [one for one in read_listens(http) if not one.directive.is_ours]


def own_endpoints(foreign: Iterable[Listen], port: int, *, ipv6: bool) -> list[Endpoint]:
    """Where our servers listen on a port: on every address, and on each one that another server has for itself.

    nginx gives a connection to the servers that name its address, and looks at those for every address only where
    there are none. Loopback addresses do not count, because visitors do not come there.

    Raises RefusedError where another server's address cannot be shared.
    """
    others = [one for one in foreign if one.endpoint.port == port]
    # Such a listener of another server has IPv4's connections as well, so nginx could not bind ours.
    is_dual = any(one.endpoint.address == IPV6 and "ipv6only=off" in one.options for one in others)
    every = [Endpoint(address, port) for address in (WILDCARDS if ipv6 else (IPV4,))]
    own = [one for one in every if one.address != IPV4 or not is_dual]
    for other in others:
        if ipaddress.ip_address(other.endpoint.address).is_loopback:
            continue
        _require_shareable(other)
        if other.endpoint not in own:
            own.append(other.endpoint)
    return own


def foreign_defaults(foreign: Iterable[Listen]) -> dict[Endpoint, str]:
    """The files with a default server that is not ours, by where it listens.

    nginx does not start with two default servers for one address, so theirs stays and ours is left out.
    """
    return {one.endpoint: one.directive.file for one in foreign if one.is_default}


def cannot_reload(bound: Iterable[Endpoint], wanted: Iterable[Endpoint]) -> bool:
    """Whether nginx would have to bind what the kernel refuses while its present sockets are open.

    The kernel does not let sockets listen on one port for every address and for a single one. Of an address's family
    and port nginx binds the wildcard alone where a server names that.
    """
    present, following = {*bound}, {*wanted}
    following -= {one for one in following if _wildcard(one) in following} - {*map(_wildcard, following)}
    return any(
        _wildcard(old) == _wildcard(new) and (old.address in WILDCARDS) != (new.address in WILDCARDS)
        for new in following - present
        for old in present
    )


def _wildcard(one: Endpoint) -> Endpoint:
    """Every address of its family, with the same port."""
    return one._replace(address=IPV6 if one.is_ipv6 else IPV4)


def _require_shareable(other: Listen) -> None:
    place = f"`{' '.join(('listen', *other.directive.arguments))}` ({other.directive.place})"
    if not other.is_tls:
        raise RefusedError(
            f"{place} has port {other.endpoint.port} without TLS, which our server brings there; give it another port"
        )
    if "proxy_protocol" in other.options:
        raise RefusedError(f"{place} expects the PROXY protocol, which Cloudflare does not speak; give it another port")


def _endpoints(text: str) -> list[Endpoint]:
    """What an address of `listen` stands for: a port, an address, or both."""
    if text.isdigit():
        return [Endpoint(IPV4, int(text))]
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, "80"
    if not port.isdigit():
        raise RefusedError(f"cannot read `listen {text}` of nginx's configuration; compare `nginx -T`")
    if host in ("*", ""):
        return [Endpoint(IPV4, int(port))]
    return [Endpoint(address, int(port)) for address in _addresses(host.strip("[]"))]


def _addresses(host: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        # nginx does not start with such a name, or has it from elsewhere.
        return []
    return list(dict.fromkeys(str(item[4][0]) for item in found))
