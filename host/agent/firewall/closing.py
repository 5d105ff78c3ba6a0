"""Finds out what the host would stop serving to others if its firewall were turned on.

ufw shuts what its rules do not name. What a container engine passes on by DNAT never meets ufw's rules, so it is not
shut; what docker-proxy accepts is, as over IPv6 where Docker has no rules for it.
"""

import ipaddress
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import kernel, ufw
from agent.firewall.openings import Opening
from agent.firewall.passage import Passage
from agent.firewall.rules import STRANGERS, Rule, Visit
from agent.listeners.addresses import INSIDE
from agent.listeners.portless import portless_listeners
from agent.listeners.publications import DOCKER_PROXY, parse_publications
from agent.listeners.sockets import KERNEL, Listener, all_listeners
from agent.listeners.tables import rule_listings
from agent.nginx import service
from agent.ranges import HOMES
from agent.system import is_installed, run
from agent.ways_in.nginx_servers import foreign_servers
from agent.ways_in.upstreams import Targets

EVERYONE = "everyone"

# Programs whose sockets of UDP are a client's, on a port that the kernel chose or on one that a client has by right:
# those of DHCP, and mDNS, whose multicasts ufw's before.rules let in.
CLIENTS = (
    "avahi-daemon", "chronyd", "dhclient", "dhcpcd", "NetworkManager", "ntpd", "rsyslogd", "systemd-network",
    "systemd-networkd", "systemd-resolve", "systemd-resolved", "systemd-timesyn", "systemd-timesyncd",
)  # fmt: skip
CLIENT_PORTS = (68, 546, 5353)


class Network(NamedTuple):
    """A network of the host's own."""

    interface: str
    # The host's address in it
    address: str
    network: str

    @property
    def is_home(self) -> bool:
        """Whether it is a private network of people's devices, not of containers."""
        address = ipaddress.ip_address(self.address)
        return any(address in block for block in HOMES) and not self.interface.startswith(INSIDE)


class Service(NamedTuple):
    """Something that the host would stop serving."""

    port: int
    protocol: str
    # The program, unit or container
    holder: str
    # `everyone`, or the host's networks whose devices reach it today
    reached_by: list[str]
    # Whether it has a port of our sites, which only Cloudflare will reach
    is_shared: bool = False

    @property
    def is_tunnel(self) -> bool:
        """Whether the kernel itself serves it, as it does WireGuard: no use of it is limited to a network at home."""
        return self.holder.startswith((KERNEL, "WireGuard"))

    @property
    def words(self) -> str:
        """Its port in ufw's syntax, as they open it to everyone; its protocol where that has none."""
        return f"{self.port}/{self.protocol}" if self.port else self.protocol

    @property
    def text(self) -> str:
        """It in one phrase."""
        later = "; only Cloudflare will" if self.is_shared else ""
        return f"{self.words} ({self.holder}, which {' and '.join(self.reached_by)} can reach{later})"


def refuse_closing(found: Sequence[Service], networks: Sequence[Network]) -> None:
    """Raises RefusedError if anything would be shut, with the settings by which the owner decides."""
    if not found:
        return
    others = [one for one in found if not one.is_shared]
    keep = ""
    if others:
        example = next(iter(home_openings(others[0], networks)), others[0].words)
        keep = (
            "list in keepOpen, in ufw's syntax, what must stay open (pulumi config set --path 'keepOpen[0]' "
            f"'{example}'), and "
        )
    raise RefusedError(
        f"this host's firewall, once it denies by default, would block {', '.join(one.text for one in found)}; {keep}"
        "block the rest with `pulumi config set closeOthers true`; then run `pulumi up` again"
    )


def home_openings(service: Service, networks: Sequence[Network]) -> list[str]:
    """The openings, in ufw's syntax, that keep a service open to the networks at home; empty for a tunnel.

    Nothing keeps a port of our sites open, which is Cloudflare's.
    """
    homes = dict.fromkeys(one.network for one in networks if one.is_home)
    return [] if service.is_tunnel or service.is_shared else [f"{service.words} from {home}" for home in homes]


def host_networks() -> list[Network]:
    """The networks of the host's interfaces, of both IP versions, without loopback and link-local ones."""
    shown = run(["ip", "-j", "address", "show", "scope", "global", "up"]).stdout
    return [
        Network(
            interface["ifname"],
            address["local"],
            str(ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}").network),
        )
        for interface in json.loads(shown)
        for address in interface.get("addr_info", [])
        # For an address of another scope `ip` prints an empty object.
        if "local" in address
    ]


def services_to_block(
    ssh_ports: Collection[int],
    closed: Collection[int],
    kept: Sequence[Opening],
    networks: Sequence[Network],
    served: Collection[int],
) -> list[Service]:
    """What others reach today and would not once ufw is on, by port.

    Empty where ufw is on already and denies by default. `closed` are ports that the program shuts by its purpose,
    `kept` those that the owner has named, to whomever, and `served` those of our sites. A port that a rule of the
    owner's in ufw names is decided, too.
    """
    rules = _rules()
    if rules is None:
        return []
    passage = Passage(rules)
    found: dict[tuple[int, str], Service] = {}
    websites = {port: _other_website(port) for port in served}
    theirs = [rule for listed in rules.values() for rule in listed if not rule.is_ours]
    for listener in [*all_listeners(), *portless_listeners()]:
        key = (listener.port, listener.protocol)
        if (
            any(_decides(rule, *key) for rule in theirs)
            or _is_exempt(listener, {*ssh_ports, *closed}, websites)
            or any(_names(opening, *key) for opening in kept)
        ):
            continue
        reached_by = _reached_by(listener, passage, networks)
        if reached_by:
            former = found.get(key)
            everybody = list(dict.fromkeys([*(former.reached_by if former else ()), *reached_by]))
            is_shared = listener.protocol == "tcp" and listener.port in websites
            holder = f"nginx with {websites[listener.port]}" if is_shared else listener.holder
            found[key] = Service(*key, holder, [EVERYONE] if EVERYONE in everybody else everybody, is_shared)
    return [found[key] for key in sorted(found, key=lambda key: (key[0] == 0, key))]


def _rules() -> Mapping[int, Sequence[Rule]] | None:
    """ufw's rules by IP version, or None if ufw is on and denies by default."""
    files = ufw.current()
    if not is_installed("ufw") or any(file is None for file in files.values()):
        return {version: [] for version in kernel.versions()}
    accepts = ufw.value(files, ufw.DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept"
    if ufw.value(files, ufw.CONFIGURATION, "ENABLED") == "yes" and not accepts:
        return None
    with ufw.ufw_on_copy([]) as view:
        return {version: view.rules(version) for version in view.versions()}


def _other_website(port: int) -> str:
    """The place of a server of nginx's, other than ours, that others reach on a port; empty if there is none."""
    if not is_installed("nginx"):
        return ""
    for server in foreign_servers(service.configuration(), Targets([])):
        if any(one.covers(port) and not one.is_local for one in server.listens):
            return server.place
    return ""


def _is_exempt(listener: Listener, decided: Collection[int], websites: Mapping[int, str]) -> bool:
    """Whether nobody is asked about a listener."""
    if listener.is_local:
        return True
    if listener.protocol == "tcp":
        # Another program than nginx on a port of our sites has been refused before.
        return listener.port in decided or websites.get(listener.port) == ""
    return listener.program in CLIENTS and (listener.port in CLIENT_PORTS or listener.port in _ephemeral_ports())


def _ephemeral_ports() -> range:
    """The ports that the kernel gives to clients."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(first), int(last) + 1)


def _decides(rule: Rule, port: int, protocol: str) -> bool:
    """Whether its owner has decided about a port, or a protocol without ports, by a rule that names it."""
    names = rule.ports != "any" if port else rule.protocol == protocol
    return names and rule.matches_port(port, protocol)


def _names(opening: Opening, port: int, protocol: str) -> bool:
    if opening.ports == "any" or port == 0:
        return opening.ports == "any" and opening.protocol == protocol
    spans = [[int(bound) for bound in part.split(":")] for part in opening.ports.split(",")]
    return opening.protocol in ("any", protocol) and any(span[0] <= port <= span[-1] for span in spans)


def _reached_by(listener: Listener, passage: Passage, networks: Sequence[Network]) -> list[str]:
    """Who reaches a listener now and would not afterwards."""
    found = [name for name, visit in _visits(listener, networks) if passage.now(visit) and not passage.later(visit)]
    return [EVERYONE] if EVERYONE in found else list(dict.fromkeys(found))


def _visits(listener: Listener, networks: Sequence[Network]) -> list[tuple[str, Visit]]:
    """One visit from each of the host's networks, and one from a stranger over each IP version, with their names."""
    found: list[tuple[str, Visit]] = []
    for one in networks:
        version = ipaddress.ip_address(one.address).version
        if listener.program == DOCKER_PROXY and (version, listener.protocol, listener.port) in _forwarded():
            continue
        own = one.address if listener.is_everywhere else listener.address
        neighbour = _neighbour(one)
        for name, client in ((EVERYONE, STRANGERS[version]), (one.network, neighbour)):
            if not (name == EVERYONE and one.interface.startswith(INSIDE)) and version in listener.versions:
                found.append((name, Visit(client, own, one.interface, listener.port, listener.protocol)))
    return found


def _forwarded() -> set[tuple[int, str, int]]:
    """The ports that DNAT rules pass on before ufw's rules see them."""
    listed = [one for version, rules in rule_listings("nat") for one in parse_publications(rules, version)]
    return {(one.version, one.protocol, one.port) for one in listed if not one.is_local}


def _neighbour(one: Network) -> str:
    """Another address of a network; the host's own if it has no other."""
    network = ipaddress.ip_network(one.network)
    first = network.network_address + min(1, network.num_addresses - 1)
    return str(first if str(first) != one.address else network.network_address + min(2, network.num_addresses - 1))
