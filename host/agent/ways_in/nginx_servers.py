"""Finds the servers in nginx's configuration, other than ours, that pass requests to an upstream of ours.

Some of them cannot be asked: they want a client certificate, a password, or an address that the host does not have.
"""

import ipaddress
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.nginx.configuration import Directive, read_directives
from agent.ranges import is_home
from agent.ways_in.upstreams import ANY, Targets, Upstream

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TARGET = re.compile(r"(?:(?P<scheme>https?|grpcs?|\*)://)?(?P<host>\[[^\]]*\]|[^:/?]*)(?::(?P<port>\d+|\*))?")
# How many values of variables are tried for one target
_MOST_VALUES = 200
_PASSES = ("proxy_pass", "grpc_pass")
# They let requests in, or turn them away, by something else than the address alone.
_UNCLEAR = ("satisfy", "set_real_ip_from", "real_ip_header")


class Server(NamedTuple):
    """A server block, other than ours."""

    # Its file and line
    place: str
    listens: Sequence["Listen"]
    # The names in `server_name`, in lower case
    names: Sequence[str]
    # The upstream to which it passes requests, as far as its text tells; None for none
    upstream: Upstream | None
    # Whether it passes requests on at all, to wherever
    passes: bool
    # Whether it turns away all addresses but private ones
    is_for_home: bool

    def listen_on(self, port: int) -> "Listen | None":
        """Where it listens on a port, or None."""
        return next((one for one in self.listens if one.covers(port)), None)


class Listen(NamedTuple):
    """Where a server listens."""

    # `*` for every address of these IP versions
    address: str
    first: int
    last: int
    versions: tuple[int, ...]
    is_default: bool

    def covers(self, port: int) -> bool:
        """Whether the port is one of them."""
        return self.first <= port <= self.last

    @property
    def ports(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1)

    @property
    def is_local(self) -> bool:
        """Whether only the host itself can connect."""
        try:
            return self.address != "*" and ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return self.address == "localhost"


def foreign_servers(dump: str, targets: Targets) -> list[Server]:
    """The servers of the blocks `http` and `stream` that are not in files of ours, in nginx's order.

    `dump` is what `nginx -T` prints.
    """
    found: list[Server] = []
    for block in read_directives(dump):
        if block.name in ("http", "stream"):
            context = _Context(block, targets)
            found += [context.server(one) for one in block.all("server") if not one.is_ours]
    return found


class _Context:
    """What a block `http` or `stream` has for all its servers."""

    def __init__(self, block: Directive, targets: Targets) -> None:
        self._block = block
        self._targets = targets
        self._groups = {
            one.arguments[0]: [server.arguments[0] for server in one.all("server") if server.arguments]
            for one in block.all("upstream")
            if one.arguments
        }
        self._maps: dict[str, list[str]] = {}
        for one in block.all("map"):
            values = [entry.arguments[-1] for entry in one.block or () if entry.arguments and entry.name != "include"]
            self._maps.setdefault(one.arguments[-1].lstrip("$"), []).extend(values)

    def server(self, server: Directive) -> Server:
        inside = list(_within(server))
        values = {name: list(texts) for name, texts in self._maps.items()}
        for one in inside:
            if one.name == "set" and len(one.arguments) == 2:
                values.setdefault(one.arguments[0].lstrip("$"), []).append(one.arguments[1])
        passes = [one.arguments[0] for one in inside if one.name in _PASSES and one.arguments]
        upstreams = (self._find(place) for text in passes for place in _expand(text, values))
        names = [name.lower() for one in server.all("server_name") for name in one.arguments]
        return Server(
            server.place,
            _listens(server, self._block.name),
            names,
            next((one for one in upstreams if one is not None), None),
            bool(passes),
            self._is_for_home(server, inside),
        )

    def _find(self, text: str) -> Upstream | None:
        """The upstream of ours to which a target leads, also by way of a block `upstream`."""
        match = _TARGET.match(text)
        if match is None or match["host"] == "unix":
            return None
        host, scheme = match["host"], match["scheme"] or "http"
        if host in self._groups:
            return next((found for one in self._groups[host] if (found := self._find(one)) is not None), None)
        default = "443" if scheme in ("https", "grpcs") else "80"
        return self._targets.find(ANY if ANY in host else host, match["port"] or (ANY if ANY in host else default))

    def _is_for_home(self, server: Directive, inside: Sequence[Directive]) -> bool:
        """Whether `allow` and `deny` turn away everyone but private addresses, wherever it passes requests on."""
        if any(one.name in _UNCLEAR for one in [*inside, *(self._block.block or ())]):
            return False
        found = list(_rules_at_passes(server, _rules(self._block)))
        return bool(found) and all(_denies_strangers(rules) for rules in found)


def _within(block: Directive) -> Iterable[Directive]:
    """All directives in a block, at any depth."""
    for one in block.block or ():
        yield one
        yield from _within(one)


def _rules(block: Directive) -> list[Directive]:
    return [one for one in block.block or () if one.name in ("allow", "deny")]


def _rules_at_passes(block: Directive, inherited: list[Directive]) -> Iterable[list[Directive]]:
    """The rules about addresses that are in force at each place that passes requests on."""
    # nginx inherits them as a whole, or not at all.
    rules = _rules(block) or inherited
    if any(one.name in _PASSES for one in block.block or ()):
        yield rules
    for one in block.block or ():
        if one.block is not None and one.name in ("location", "if", "limit_except"):
            yield from _rules_at_passes(one, rules)


def _denies_strangers(rules: Sequence[Directive]) -> bool:
    for rule in rules:
        what = rule.arguments[0] if rule.arguments else ""
        if rule.name == "deny" and what == "all":
            return True
        if rule.name == "allow" and not _is_private(what):
            return False
    return False


def _is_private(text: str) -> bool:
    if text == "unix:":
        return True
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.is_loopback or network.is_link_local or is_home(network)


def _listens(server: Directive, kind: str) -> list[Listen]:
    found: list[Listen] = []
    for one in server.all("listen"):
        text, *options = one.arguments or ("80",)
        if text.startswith("unix:"):
            continue
        host, _, ports = text.rpartition(":") if not text.endswith("]") else (text, "", "80")
        if not host and not ports.partition("-")[0].isdigit():
            host, ports = ports, "80"
        first, _, last = ports.partition("-")
        if not first.isdigit():
            continue
        address = host.strip("[]")
        version = 6 if host.startswith("[") else 4
        everywhere = address in ("", "*", "0.0.0.0", "::")
        versions = (4, 6) if address == "::" and "ipv6only=off" in options else (version,)
        defaults = {"default_server", "default"} & {*options}
        found.append(Listen("*" if everywhere else address, int(first), int(last or first), versions, bool(defaults)))
    # ngx_http_core_server(): without `listen` it is port 80, of root's nginx.
    return found or ([Listen("*", 80, 80, (4,), False)] if kind == "http" and not server.all("listen") else [])


def _expand(text: str, values: Mapping[str, Sequence[str]], depth: int = 0) -> list[str]:
    """The text with each value that its variables may have; `ANY` for a variable that only a request decides."""
    names = list(dict.fromkeys(bare or braced for braced, bare in _VARIABLE.findall(text)))
    if not names or depth > 3:
        return [_VARIABLE.sub(ANY, text)]
    choices = [list(dict.fromkeys(values.get(name, [ANY]))) for name in names]
    found: list[str] = []
    for chosen in itertools.islice(itertools.product(*choices), _MOST_VALUES):
        found += _expand(_replace(text, dict(zip(names, chosen, strict=True))), values, depth + 1)
    return list(dict.fromkeys(found))


def _replace(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], text)
