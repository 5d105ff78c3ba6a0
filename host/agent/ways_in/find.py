"""Finds every way to Immich past our guarded server. It changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import HostError
from agent.immich import PING, SHARES_HEALTH, health_of, require_immich, require_public_proxy
from agent.listeners.addresses import outside_addresses, own_addresses
from agent.listeners.publications import Publication, published_ports
from agent.listeners.sockets import DOCKER_PROXY, Listener, listeners
from agent.nginx.probe import UNKNOWN_NAME
from agent.site import IMMICH, SHARES
from agent.ways_in.ask import Outcome, ask
from agent.ways_in.exchange import Place
from agent.ways_in.names import served_names
from agent.ways_in.nginx_servers import Server, foreign_servers
from agent.ways_in.reach import Filter, Opening
from agent.ways_in.upstreams import Targets, Upstream

# By what a site serves: what people call the program behind it.
WHAT = {IMMICH: "Immich", SHARES: "immich-public-proxy"}
# More addresses of the host are not tried: temporary ones, and those of virtual machines.
_MOST_ADDRESSES = 4
_MOST_NAMES = 40
NGINX = "nginx"


class WayIn(NamedTuple):
    """A way to Immich, or to immich-public-proxy, past our guarded server."""

    # Who leads there, where, and who lets others in
    problem: str
    # What to do on the host, as the first words of a sentence
    remedy: str


class Findings(NamedTuple):
    """What was found."""

    ways: Sequence[WayIn]
    # Why it cannot be told whether there are more, each for people
    unclear: Sequence[str]
    # Ports that have not answered as HTTP does, and why, each for people
    silent: Sequence[str]
    # How many ports that others can reach were asked
    asked: int


class _Door(NamedTuple):
    """A port of the host that others can reach."""

    port: int
    holder: str
    # What to do about whoever holds it
    closing: str
    opening: Opening
    places: Sequence[Place]
    # Where a name is served, as far as known
    named: Mapping[str, str]
    is_nginx: bool


def find_ways_in(
    names: Collection[str], upstreams: Sequence[Upstream], seen: Filter, guarded: Collection[int], dump: str
) -> Findings:
    """Finds the ways to these upstreams that are open by a filter, apart from the ports that our guard closes.

    `names` are those of the sites, `dump` is what `nginx -T` prints. Takes at most some 5 s, whatever listens on the
    host.
    """
    servers = foreign_servers(dump, Targets(upstreams))
    doors = _doors(names, servers, seen, guarded)
    health = {upstream.endpoint: _health(upstream) for upstream in upstreams}
    shares = {health[one.endpoint] for one in upstreams if one.serves == SHARES} - {None}
    paths = [PING, *([SHARES_HEALTH] if shares else [])]
    places = [place for door in doors for place in door.places]
    outcomes = dict(zip(places, ask(places, paths), strict=True))

    ways: dict[WayIn, None] = dict.fromkeys(_written_ways(servers, seen, guarded))
    written = {server.place for server in servers if server.upstream is not None}
    unclear: list[str] = []
    silent: list[str] = []
    for door in doors:
        met = [outcomes[place] for place in door.places]
        hits = _hits(met, shares)
        for serves, hit in hits.items():
            if not _is_explained(door, hit, servers, written):
                ways[_answering(door, serves, hit, servers)] = None
        for one in met if not hits else ():
            if one.trouble:
                (unclear if one.is_http else silent).append(f"port {door.port} ({door.holder}) {one.trouble}")
    down = [one for one in upstreams if health[one.endpoint] is None]
    web = [
        door
        for door in doors
        if any(any(outcomes[place].replies.values()) for place in door.places) and _may_pass(door, servers)
    ]
    for upstream in down if web else ():
        ports = ", ".join(f"{door.port} ({door.holder})" for door in web)
        unclear.append(
            f"{WHAT[upstream.serves]} does not answer on {upstream.endpoint} now, so whether port {ports} leads there "
            "cannot be seen"
        )
    return Findings(list(ways), list(dict.fromkeys(unclear)), list(dict.fromkeys(silent)), len(doors))


def _doors(names: Collection[str], servers: Sequence[Server], seen: Filter, guarded: Collection[int]) -> list[_Door]:
    """What strangers or Cloudflare can reach."""
    found = [
        _published_door(one, names)
        for one in _first_of_each_version(published_ports())
        if one.protocol == "tcp" and not one.is_local and one.port not in guarded
    ]
    by_port: dict[tuple[int, str], list[Listener]] = {}
    for one in listeners():
        if not one.is_local and one.port not in guarded:
            by_port.setdefault((one.port, one.holder), []).append(one)
    for (port, _), group in by_port.items():
        opening = seen.opening(port, {version for one in group for version in one.versions})
        if opening is not None:
            found.append(_listening_door(group, opening, names, servers, seen))
    return found


def _listening_door(
    group: Sequence[Listener], opening: Opening, names: Collection[str], servers: Sequence[Server], seen: Filter
) -> _Door:
    first = group[0]
    is_nginx = first.program == NGINX and not first.container
    named = served_names(first.programs, bool(first.container))
    if is_nginx:
        # A server that passes nothing on is no way in, whatever its name.
        named |= {
            name.replace("*", "any").lstrip("."): server.place
            for server in servers
            if server.passes and server.listen_on(first.port) is not None
            for name in server.names
            if not name.startswith("~") and name != "_"
        }
    asked = _asked_names(names, named)
    addresses = dict.fromkeys(address for one in group for address in _addresses(one, seen.outside))
    places = [Place(address, first.port, True, asked) for address in addresses]
    closing = f"have {first.holder} listen on 127.0.0.1 alone"
    if is_nginx:
        closing = "take the server that `nginx -T` shows for it out of nginx's files and run `systemctl reload nginx`"
    return _Door(first.port, first.holder, closing, opening, places, named, is_nginx)


def _published_door(one: Publication, names: Collection[str]) -> _Door:
    name = f"the container {one.container}" if one.container else f"the container at {one.endpoint}"
    named = served_names((DOCKER_PROXY,), in_container=True)
    asked = _asked_names(names, named)
    place = (
        Place(one.target, one.target_port, False, asked) if one.target else Place("127.0.0.1", one.port, False, asked)
    )
    closing = f'publish it on loopback alone: "127.0.0.1:{one.port}:{one.target_port}"'
    opening = Opening(f"the publication of port {one.port}, past ufw,")
    return _Door(one.port, name, closing, opening, [place], named, is_nginx=False)


def _asked_names(names: Collection[str], named: Mapping[str, str]) -> tuple[str, ...]:
    """The names to ask for: none, the sites', those that the program serves, and an unknown one."""
    return tuple(dict.fromkeys(["", *names, *list(named)[:_MOST_NAMES], UNKNOWN_NAME]))


def _first_of_each_version(found: Sequence[Publication]) -> list[Publication]:
    """One publication for each port and target: the same for both IP versions is one."""
    return list({(one.protocol, one.port, one.container or one.endpoint, one.is_local): one for one in found}.values())


def _addresses(listener: Listener, outside: Collection[str]) -> list[str]:
    """Where to reach a listener as others do."""
    if not listener.is_everywhere:
        return [listener.address]
    found: list[str] = []
    for version in listener.versions:
        own = [one for one in outside_addresses(outside) if (":" in one) == (version == 6)]
        other = [one.address for one in own_addresses() if one.version == version and one.is_global]
        loopback = "::1" if version == 6 else "127.0.0.1"
        found += (own or other or [loopback])[:_MOST_ADDRESSES]
    return found


def _health(upstream: Upstream) -> bytes | None:
    """What tells an upstream's program; None while it does not answer."""
    try:
        if upstream.serves == SHARES:
            require_public_proxy(upstream.endpoint)
            return health_of(upstream.endpoint)
        require_immich(upstream.endpoint)
    except HostError:
        return None
    return b""


def _hits(outcomes: Sequence[Outcome], shares: Collection[bytes | None]) -> dict[str, list[str]]:
    """The names for which a door answered as an upstream does, by what that serves."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        for path, replies in outcome.replies.items():
            for reply in replies:
                is_immich = path == PING and b"pong" in reply.body
                if reply.is_ok and (is_immich or (path == SHARES_HEALTH and reply.body.strip() in shares)):
                    found.setdefault(IMMICH if is_immich else SHARES, []).append(reply.name)
    return {serves: list(dict.fromkeys(names)) for serves, names in found.items()}


def _is_explained(door: _Door, hit: Sequence[str], servers: Sequence[Server], written: Collection[str]) -> bool:
    """Whether every answer came from a server of nginx that is named already, or that only the home network reaches."""
    chosen = [_chosen_server(servers, door.port, name) for name in hit] if door.is_nginx else [None]
    return all(one is not None and (one.place in written or one.is_for_home) for one in chosen)


def _may_pass(door: _Door, servers: Sequence[Server]) -> bool:
    """Whether a door may pass requests on: nginx's text tells where it does not."""
    return not door.is_nginx or any(one.passes and one.listen_on(door.port) is not None for one in servers)


def _chosen_server(servers: Sequence[Server], port: int, name: str) -> Server | None:
    """The server that nginx chooses for a name, among those that are not ours; None if it cannot be told."""
    here = [one for one in servers if one.listen_on(port) is not None]
    parts = name.split(".")
    wild = {f"*.{'.'.join(parts[at:])}" for at in range(1, len(parts))} | {
        f".{'.'.join(parts[at:])}" for at in range(len(parts))
    }
    for wanted in ({name}, wild):
        if (found := next((one for one in here if wanted & {*one.names}), None)) is not None:
            return found
    # A regular expression or a pattern might take it, or the address decides.
    if any(text.startswith("~") or text.endswith(".*") for one in here for text in one.names):
        return None
    if len({listen.address for one in here if (listen := one.listen_on(port)) is not None}) > 1:
        return None
    defaults = [one for one in here if (listen := one.listen_on(port)) is not None and listen.is_default]
    return next(iter(defaults or here), None)


def _answering(door: _Door, serves: str, hit: Sequence[str], servers: Sequence[Server]) -> WayIn:
    """A door that answered as an upstream does."""
    chosen = _chosen_server(servers, door.port, hit[0]) if door.is_nginx else None
    place = chosen.place if chosen is not None else door.named.get(hit[0], "")
    names = [name for name in hit if name != UNKNOWN_NAME]
    asked = "any name" if UNKNOWN_NAME in hit else " and ".join(name or "no name" for name in names[:3])
    who = f"{NGINX if door.is_nginx else door.holder} ({place})" if place else door.holder
    problem = f"{who} answers as {WHAT[serves]} on port {door.port} under {asked}, past Access, and {door.opening.says}"
    closing = _server_removal(place) if door.is_nginx and place else door.closing
    return WayIn(problem, _remedy(closing, door.opening))


def _written_ways(servers: Sequence[Server], seen: Filter, guarded: Collection[int]) -> list[WayIn]:
    """The servers of nginx whose text passes requests to an upstream, on ports that others can reach."""
    found: list[WayIn] = []
    for server in servers:
        if server.upstream is None or server.is_for_home:
            continue
        for listen in server.listens:
            opening = None if listen.is_local else _opening_of(listen.ports, listen.versions, seen, guarded)
            if opening is not None:
                port, by = opening
                problem = (
                    f"nginx ({server.place}) passes requests on port {port} to {WHAT[server.upstream.serves]}, past "
                    f"Access, and {by.says}"
                )
                found.append(WayIn(problem, _remedy(_server_removal(server.place), by)))
                break
    return found


def _opening_of(
    ports: Sequence[int], versions: Collection[int], seen: Filter, guarded: Collection[int]
) -> tuple[int, Opening] | None:
    for port in ports:
        if port not in guarded and (opening := seen.opening(port, versions)) is not None:
            return port, opening
    return None


def _server_removal(place: str) -> str:
    return f"take the server at {place} out of nginx's files and run `systemctl reload nginx` on the host"


def _remedy(closing: str, opening: Opening) -> str:
    return f"{closing}, or run `{opening.remove}` there" if opening.remove else closing
