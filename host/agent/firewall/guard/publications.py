"""Finds the ports of this host that are forwarded to other addresses, whoever forwards them."""

import functools
import ipaddress
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from agent.firewall import kernel
from agent.firewall.guard import docker_api
from agent.system import is_installed, run

# Tables that iptables-legacy has in this kernel. Asking it otherwise would load its modules.
LEGACY_TABLES = {4: Path("/proc/net/ip_tables_names"), 6: Path("/proc/net/ip6_tables_names")}


class Endpoint(NamedTuple):
    """An address and a TCP port."""

    address: str
    port: int


class Publication(NamedTuple):
    """A port of the host that is forwarded."""

    # The host's address that the port is for; None for every one
    address: str | None
    port: int
    target: Endpoint

    def answers_at(self, address: str) -> bool:
        """Whether it is for this address of the host."""
        return self.address in (None, address)


@functools.cache
def published() -> list[Publication]:
    """Every forwarded TCP port of the host, of both IP versions, looked up once per step."""
    found = [*_by_iptables(), *_by_nftables(), *_by_proxies()]
    for container in docker_api.containers():
        for port in container.ports:
            found += [
                Publication(_specific(port.host_address), port.public, Endpoint(address, port.private))
                for address in container.addresses
            ]
    return list(dict.fromkeys(found))


def parse_iptables(listing: Sequence[str]) -> list[Publication]:
    """The DNAT rules for TCP in what `iptables -t nat -S` or `ip6tables -t nat -S` lists."""
    found: list[Publication] = []
    for line in listing:
        words = shlex.split(line)
        options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if words[at - 1] != "!"}
        target = _target(options.get("--to-destination", ""))
        if options.get("-p") == "tcp" and target is not None:
            found += [
                Publication(_specific(options.get("-d")), port, Endpoint(target.address, target.port or port))
                for port in _ports(options.get("--dport", ""))
            ]
    return found


def parse_nftables(ruleset: Mapping[str, Any]) -> list[Publication]:
    """The DNAT rules for TCP in what `nft -j list ruleset` lists.

    Rules of iptables are in there as well, but without their content.
    """
    found: list[Publication] = []
    for item in ruleset.get("nftables", []):
        rule = item.get("rule")
        target = None if rule is None else _dnat(rule["expr"])
        if rule is None or target is None:
            continue
        ports = [port for value in _matched(rule["expr"], "tcp", "dport") for port in _ports(value)]
        addresses = [*_matched(rule["expr"], "ip", "daddr"), *_matched(rule["expr"], "ip6", "daddr")] or [None]
        found += [
            Publication(_specific(address), port, Endpoint(target.address, target.port or port))
            for port in ports
            for address in addresses
        ]
    return found


def parse_proxy(arguments: Sequence[str]) -> Publication | None:
    """What a docker-proxy with this command line forwards; None for anything but TCP."""
    options = {word.lstrip("-"): arguments[at + 1] for at, word in enumerate(arguments[:-1])}
    ports = (options.get("host-port", ""), options.get("container-port", ""))
    if options.get("proto") != "tcp" or not all(port.isdigit() for port in ports):
        return None
    target = Endpoint(options.get("container-ip", ""), int(ports[1]))
    return Publication(_specific(options.get("host-ip")), int(ports[0]), target)


def _by_iptables() -> Iterator[Publication]:
    for version in (4, 6):
        tools = [kernel.TOOL[version]]
        tables = LEGACY_TABLES[version]
        if tables.exists() and "nat" in tables.read_text().split():
            tools.append(f"{kernel.TOOL[version]}-legacy")
        for tool in tools:
            if is_installed(tool):
                # A kernel without IPv6, or without NAT for it, publishes nothing that way.
                yield from parse_iptables(run([tool, "-w", "10", "-t", "nat", "-S"], check=False).stdout.splitlines())


def _by_nftables() -> Iterator[Publication]:
    """Docker from version 29 on and Podman can write their rules with nftables itself."""
    if not is_installed("nft"):
        return
    listed = run(["nft", "-j", "list", "ruleset"], check=False)
    if listed.returncode == 0 and listed.stdout:
        yield from parse_nftables(json.loads(listed.stdout))


def _by_proxies() -> Iterator[Publication]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(arguments[0]).name == "docker-proxy":
            found = parse_proxy(arguments[1:])
            if found is not None:
                yield found


def _specific(address: str | None) -> str | None:
    """An address in its usual form; None for a missing or unspecified one and for a network."""
    if not address:
        return None
    network = ipaddress.ip_network(address, strict=False)
    if network.num_addresses > 1 or network.network_address.is_unspecified:
        return None
    return str(network.network_address)


def _ports(text: object) -> list[int]:
    """The ports of `2283` or `2283:2285`; a longer range than a hundred ports is none for a web server."""
    bounds = str(text).split(":")
    if not all(bound.isdigit() for bound in bounds):
        return []
    found = range(int(bounds[0]), int(bounds[-1]) + 1)
    return list(found) if len(found) <= 100 else []


def _target(text: str) -> Endpoint | None:
    """The target `address:port`, `[IPv6 address]:port` or a bare address, which keeps the port: 0."""
    bare = text.endswith("]") or ":" not in text
    host, _, port = (text, "", "0") if bare else text.rpartition(":")
    try:
        return Endpoint(str(ipaddress.ip_address(host.strip("[]"))), int(port))
    except ValueError:
        return None


def _dnat(expressions: Sequence[Mapping[str, Any]]) -> Endpoint | None:
    """The target of a rule's `dnat`, with port 0 where it keeps the port."""
    for expression in expressions:
        target = _fields(expression.get("dnat"))
        address, port = target.get("addr"), target.get("port")
        if isinstance(address, str):
            return Endpoint(str(ipaddress.ip_address(address)), port if isinstance(port, int) else 0)
    return None


def _matched(expressions: Sequence[Mapping[str, Any]], protocol: str, field: str) -> list[str]:
    """The values to which a rule compares a field of the packet."""
    for expression in expressions:
        match = _fields(expression.get("match"))
        payload = {"payload": {"protocol": protocol, "field": field}}
        if match.get("op") in ("==", "in") and match.get("left") == payload:
            right = match["right"]
            return [_value(value) for value in _fields(right).get("set", [right])]
    return []


def _value(value: object) -> str:
    """A value of nftables in the words of iptables."""
    fields = _fields(value)
    if "range" in fields:
        return ":".join(str(bound) for bound in fields["range"])
    if "prefix" in fields:
        return f"{fields['prefix']['addr']}/{fields['prefix']['len']}"
    return str(value)


def _fields(value: object) -> Mapping[str, Any]:
    """An object's fields; none for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
