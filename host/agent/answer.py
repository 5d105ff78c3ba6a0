"""Builds the steps' answers. Their schemas are in components/origin-host/answer.ts; the tests read answer.schema.json.

Each function builds one step's answer, or a part of it, from what the step found. None of them reads the host.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.display import displayable_facts

if TYPE_CHECKING:
    from agent.certificates.x509 import Certificate
    from agent.firewall.plan import SshEntrance
    from agent.ranges import Ranges


def line(step: str, revision: int, facts: Mapping[str, object]) -> str:
    """The answer as one line of JSON, which the program reads."""
    fields = {"step": step, "revision": revision, "host": socket.gethostname() or "localhost", **facts}
    return json.dumps(displayable_facts(fields))


def firewall(change: int, ssh: "SshEntrance", ranges: "Ranges", ipv6: bool) -> dict[str, object]:
    """Of the step `firewall`; `ipv6` is whether the kernel has it."""
    count = {"ipv4": len(ranges.ipv4), "ipv6": len(ranges.ipv6) if ipv6 else None}
    return {
        "change": change,
        "sshPorts": list(ssh.ports),
        "sshNetworks": list(ssh.networks),
        "sshLimit": ssh.limit or None,
        "ranges": count,
    }


def firewall_removal(open_for: Sequence[str], stays: Sequence[str]) -> dict[str, object]:
    """Of the step `firewall-remove`."""
    return {"openFor": list(open_for), "stays": list(stays)}


def certificates(change: int, sites: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Of the step `certificates`; `sites` are those of `certificate_set`."""
    return {"change": change, "sites": list(sites)}


def certificate_set(hostname: str, leaf: "Certificate", cas: "Sequence[Certificate]") -> dict[str, object]:
    """One site of the step `certificates`."""
    return {
        "hostname": hostname,
        "fingerprint": leaf.fingerprint,
        "endsOn": leaf.end_date,
        "clientCas": [ca.fingerprint for ca in cas],
    }


def nginx(
    configuration: str, sites: Sequence[Mapping[str, object]], foreign_defaults: Sequence[str]
) -> dict[str, object]:
    """Of the step `nginx`; `sites` are those of `served_site`."""
    return {"configuration": configuration, "sites": list(sites), "foreignDefaults": list(foreign_defaults)}


def served_site(hostname: str, upstream: str, fingerprint: str, audience: str | None) -> dict[str, object]:
    """One site of the step `nginx`."""
    return {"hostname": hostname, "upstream": upstream, "fingerprint": fingerprint, "audience": audience}


def former_port_closing(closed: Sequence[int]) -> dict[str, object]:
    """Of the step `former-port-close`."""
    return {"closed": list(closed)}


def site_removal(removed: bool) -> dict[str, object]:
    """Of the step `site-remove`."""
    return {"removed": removed}


def check(status: str, says: str) -> dict[str, str]:
    """One check of the step `doctor`."""
    return {"status": status, "says": says}


def site_facts(client_ca: str | None, certificate: str | None) -> dict[str, object]:
    """Facts about one site that the step `doctor` reports without judging them."""
    return {"clientCa": client_ca, "certificate": certificate}


def host_facts(
    time: float,
    ranges: "Ranges | None",
    busy: str | None,
    guarded_ports: Sequence[int],
    addresses: Sequence[str],
    *,
    last_refresh: Mapping[str, object] | None,
) -> dict[str, object]:
    """Facts about the host that the step `doctor` reports without judging them."""
    lists = None if ranges is None else {"ipv4": ranges.ipv4, "ipv6": ranges.ipv6}
    return {
        "time": time,
        "ranges": lists,
        "busy": busy,
        "guardedPorts": list(guarded_ports),
        "addresses": list(addresses),
        "refresh": last_refresh,
    }


def refresh(
    time: str,
    ok: bool,
    ranges: "Ranges | None",
    fetched: str | None,
    *,
    guard: bool | None,
    ways_in: int | None,
    certificates: Mapping[str, str | None],
) -> dict[str, object]:
    """What a daily refresh found. Times are in RFC 3339; certificates have their ends by host name."""
    counts = {"ipv4": 0, "ipv6": 0} if ranges is None else {"ipv4": len(ranges.ipv4), "ipv6": len(ranges.ipv6)}
    return {
        "time": time,
        "ok": ok,
        "ranges": {**counts, "fetched": fetched},
        "guardInForce": guard,
        "waysIn": ways_in,
        "certificates": [{"hostname": name, "endsOn": end} for name, end in certificates.items()],
    }


def examined_site(checks: Mapping[str, object], facts: Mapping[str, object]) -> dict[str, object]:
    """One site of the step `doctor`."""
    return {"checks": checks, "facts": facts}


def examination(
    checks: Mapping[str, object], sites: Mapping[str, object], facts: Mapping[str, object]
) -> dict[str, object]:
    """Of the step `doctor`."""
    return {"checks": checks, "sites": sites, "facts": facts}


def refusal(problem: str, remedy: str) -> dict[str, str]:
    """Why the first `up` would stop, and what mends that."""
    return {"problem": problem, "remedy": remedy}


def opening(rule: str, port: int, delete: str) -> dict[str, object]:
    """A rule of ufw that opens a port to everyone."""
    return {"rule": rule, "port": port, "delete": delete}


def closing_service(service: str, holder: str, reached_by: Sequence[str], home: Sequence[str]) -> dict[str, object]:
    """Something that the firewall would block; `home` are the openings for the networks at home."""
    return {"service": service, "holder": holder, "reachedBy": list(reached_by), "home": list(home)}


def survey(
    addresses: Sequence[str],
    networks: Sequence[str],
    immich: Sequence[str],
    openings: Sequence[Mapping[str, Any]],
    sites: Sequence[str],
    *,
    origin_port: int,
    port_holder: str | None,
    closing: Sequence[Mapping[str, Any]],
    refusals: Sequence[Mapping[str, str]],
    unclear: Sequence[str],
) -> dict[str, object]:
    """Of the step `survey`; its parts are those of `opening`, `closing_service` and `refusal`."""
    return {
        "addresses": list(addresses),
        "networks": list(networks),
        "immich": list(immich),
        "openings": list(openings),
        "originPort": origin_port,
        "portHolder": port_holder,
        "sites": list(sites),
        "closing": list(closing),
        "refusals": list(refusals),
        "unclear": list(unclear),
    }
