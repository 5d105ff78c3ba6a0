"""The ports of the host that are passed on to a container, by DNAT rules of whoever made them or by its engine."""

import ipaddress
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.changes import until_changed
from agent.listeners import engines
from agent.listeners.processes import command_lines
from agent.listeners.tables import nft_rules, rule_listings

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
# Docker's program that accepts connections to a published port and passes them on
DOCKER_PROXY = "docker-proxy"


class Publication(NamedTuple):
    """A host port that is passed on to a container, or to another machine."""

    # The address at which it is there, as a network: 0.0.0.0/0 or ::/0 for every one
    address: str
    port: int
    # Where it leads; the address is empty if only an engine's proxy knows it
    target: str
    target_port: int
    protocol: str = "tcp"
    # The container's name; empty if no engine tells it
    container: str = ""

    @property
    def version(self) -> int:
        """The IP version of the host's port."""
        return ipaddress.ip_network(self.address).version

    @property
    def is_local(self) -> bool:
        """Whether it is there on loopback alone."""
        return ipaddress.ip_network(self.address).is_loopback

    @property
    def endpoint(self) -> str:
        """Where it leads, as `address:port`."""
        return f"[{self.target}]:{self.target_port}" if ":" in self.target else f"{self.target}:{self.target_port}"


@until_changed
def published_ports() -> list[Publication]:
    """The publications of TCP and UDP ports, of both IP versions.

    They are in the DNAT rules of iptables, of its legacy form and of nftables, in the command lines of Docker's
    proxies, and in what Docker and Podman list.
    """
    found = [
        *(one for version, rules in rule_listings("nat") for one in parse_publications(rules, version)),
        *(one for rule in nft_rules() for one in parse_nft_publication(rule)),
        *(one for words in command_lines(DOCKER_PROXY) if (one := parse_proxy(words[1:])) is not None),
    ]
    names = {address: container.name for container in engines.containers() for address in container.addresses}
    ports = {
        (port.protocol, port.port, port.container_port): container.name
        for container in engines.containers()
        for port in container.ports
    }

    def named(one: Publication) -> Publication:
        return one._replace(container=names.get(one.target) or ports.get((one.protocol, one.port, one.target_port), ""))

    known = {named(one): None for one in found}
    places = {(one.protocol, one.port, one.version) for one in known}
    for one in _listed_by_engines():
        # The rule for the same port says more: it is what the kernel does.
        if (one.protocol, one.port, one.version) not in places:
            known[one] = None
    return list(known)


def parse_publications(listing: Sequence[str], version: int) -> list[Publication]:
    """The DNAT rules in what `iptables -t nat -S`, or ip6tables for version 6, lists."""
    found: list[Publication] = []
    for line in listing:
        if "--to-destination" not in line:
            continue
        words = shlex.split(line)
        options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if words[at - 1] != "!"}
        protocol = options.get("-p", "")
        if protocol not in ("tcp", "udp"):
            continue
        address = options.get("-d", ANYWHERE[version])
        target, target_ports = _split(options["--to-destination"])
        for part in options.get("--dport", options.get("--dports", "")).split(","):
            for port, target_port in _pairs(part, target_ports):
                found.append(Publication(address, port, target, target_port, protocol))
    return found


def parse_nft_publication(rule: Mapping[str, Any]) -> list[Publication]:
    """The DNAT in a rule of `nft -j list ruleset`; empty for rules without one, or whose target a map decides."""
    protocol, address, ports = "", "", ()
    for statement in rule.get("expr", []):
        match, target = statement.get("match"), statement.get("dnat")
        if match is not None and match.get("op") != "!=":
            field, right = _payload(match), match.get("right")
            if field[1] == "dport":
                protocol, ports = field[0], _nft_ports(right)
            elif field[1] == "daddr" and _is_address(right):
                address = str(right)
        if target is not None and isinstance(target.get("addr"), str) and protocol in ("tcp", "udp"):
            to: str = target["addr"]
            place = address or ANYWHERE[ipaddress.ip_address(to).version]
            targets = _nft_ports(target["port"]) if "port" in target else ports
            # One port for all, as many as there are, or a map of nftables', which is not read.
            within = targets if len(targets) == len(ports) else [*targets[:1]] * len(ports) or ports
            return [Publication(place, port, to, one, protocol) for port, one in zip(ports, within, strict=True)]
    return []


def parse_proxy(arguments: Sequence[str]) -> Publication | None:
    """What a docker-proxy with these arguments passes on; None for anything but TCP and UDP."""
    options = {word.lstrip("-"): arguments[at + 1] for at, word in enumerate(arguments[:-1])}
    ports = (options.get("host-port", ""), options.get("container-port", ""))
    addresses = (options.get("host-ip", ""), options.get("container-ip", ""))
    protocol = options.get("proto", "")
    is_whole = all(port.isdigit() for port in ports) and all(_is_address(address) for address in addresses)
    if protocol not in ("tcp", "udp") or not is_whole:
        return None
    host = ipaddress.ip_address(addresses[0])
    place = ANYWHERE[host.version] if host.is_unspecified else str(ipaddress.ip_network(host))
    return Publication(place, int(ports[0]), addresses[1], int(ports[1]), protocol)


def _is_address(value: object) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def _payload(match: Mapping[str, Any]) -> tuple[str, str]:
    """The protocol and the field that a match of nftables looks at."""
    try:
        payload: Mapping[str, Any] = match["left"]["payload"]
        return str(payload["protocol"]), str(payload["field"])
    except (KeyError, TypeError):
        # It looks at something else than a header, or at bytes without a name.
        return "", ""


def _listed_by_engines() -> list[Publication]:
    """What the engines list, with the container's address of the same IP version."""
    found: list[Publication] = []
    for container in engines.containers():
        for port in container.ports:
            addresses = [port.address] if port.address else list(ANYWHERE.values())
            for address in addresses:
                version = ipaddress.ip_network(address).version
                targets = [one for one in container.addresses if ipaddress.ip_address(one).version == version]
                target = next(iter([*targets, *container.addresses]), "")
                found.append(
                    Publication(
                        str(ipaddress.ip_network(address)),
                        port.port,
                        target,
                        port.container_port,
                        port.protocol,
                        container.name,
                    )
                )
    return found


def _split(destination: str) -> tuple[str, str]:
    """The first address and the ports of a `--to-destination`: `a`, `a:1`, `a-b:1-9/5`, `[a]:1`."""
    if destination.startswith("["):
        addresses, _, ports = destination[1:].partition("]")
        return addresses.partition("-")[0], ports.lstrip(":")
    if destination.count(":") > 1:
        return destination.partition("-")[0], ""
    addresses, _, ports = destination.partition(":")
    return addresses.partition("-")[0], ports


def _pairs(part: str, target_ports: str) -> list[tuple[int, int]]:
    """Each port of `8000` or `8000:8010`, with the port to which it leads."""
    first, _, last = part.partition(":")
    if not first.isdigit() or not (last or first).isdigit():
        return []
    ports = range(int(first), min(int(last or first), int(first) + engines.WIDEST_RANGE) + 1)
    low, _, high = target_ports.partition("/")[0].partition("-")
    if not low.isdigit():
        return [(port, port) for port in ports]
    width = int(high) - int(low) if high.isdigit() else 0
    return [(port, int(low) + min(at, width)) for at, port in enumerate(ports)]


def _nft_ports(right: Any) -> Sequence[int]:
    """The ports that the right side of a match names: a number, a range, or a set of them."""
    if isinstance(right, int):
        return [right]
    try:
        if "range" in right:
            bounds: list[int] = right["range"]
            return range(bounds[0], min(bounds[1], bounds[0] + engines.WIDEST_RANGE) + 1)
        return [port for part in right["set"] for port in _nft_ports(part)]
    except (KeyError, TypeError):
        # A named set, whose ports stand elsewhere
        return []
