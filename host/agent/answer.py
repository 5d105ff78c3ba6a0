"""Builds the steps' answers. Their schemas are in components/origin-host/answer.ts; the tests read answer.schema.json.

Each function builds one step's answer, or a part of it, from what the step found. None of them reads the host.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.certificates.x509 import Certificate
    from agent.ranges import Ranges


def line(step: str, revision: int, facts: Mapping[str, object]) -> str:
    """The answer as one line of JSON, which the program reads."""
    return json.dumps({"step": step, "revision": revision, "host": socket.gethostname() or "localhost", **facts})


def firewall(change: int, ssh_ports: Sequence[int], ranges: "Ranges", ipv6: bool) -> dict[str, object]:
    """Of the step `firewall`; `ipv6` is whether the kernel has it."""
    count = {"ipv4": len(ranges.ipv4), "ipv6": len(ranges.ipv6) if ipv6 else None}
    return {"change": change, "sshPorts": list(ssh_ports), "ranges": count}


def firewall_removal(open_for: Sequence[str]) -> dict[str, object]:
    """Of the step `firewall-remove`."""
    return {"openFor": list(open_for)}


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


def site_removal(removed: bool) -> dict[str, object]:
    """Of the step `site-remove`."""
    return {"removed": removed}


def check(status: str, says: str) -> dict[str, str]:
    """One check of the step `doctor`."""
    return {"status": status, "says": says}


def site_facts(client_ca: str | None, certificate: str | None) -> dict[str, object]:
    """Facts about one site that the step `doctor` reports without judging them."""
    return {"clientCa": client_ca, "certificate": certificate}


def host_facts(time: float, ranges: "Ranges | None", busy: str | None) -> dict[str, object]:
    """Facts about the host that the step `doctor` reports without judging them."""
    lists = None if ranges is None else {"ipv4": ranges.ipv4, "ipv6": ranges.ipv6}
    return {"time": time, "ranges": lists, "busy": busy}


def examined_site(checks: Mapping[str, object], facts: Mapping[str, object]) -> dict[str, object]:
    """One site of the step `doctor`."""
    return {"checks": checks, "facts": facts}


def examination(
    checks: Mapping[str, object], sites: Mapping[str, object], facts: Mapping[str, object]
) -> dict[str, object]:
    """Of the step `doctor`."""
    return {"checks": checks, "sites": sites, "facts": facts}


def publication(problem: str, remedy: str) -> dict[str, str]:
    """One way in which Docker publishes Immich to everyone."""
    return {"problem": problem, "remedy": remedy}


def opening(rule: str, port: int, delete: str) -> dict[str, object]:
    """A rule of ufw that opens a port to everyone."""
    return {"rule": rule, "port": port, "delete": delete}


def survey(
    addresses: Sequence[str],
    immich: Sequence[str],
    publications: Sequence[Mapping[str, Any]],
    openings: Sequence[Mapping[str, Any]],
    sites: Sequence[str],
) -> dict[str, object]:
    """Of the step `survey`; `publications` are those of `publication`, `openings` those of `opening`."""
    return {
        "addresses": list(addresses),
        "immich": list(immich),
        "published": list(publications),
        "openings": list(openings),
        "sites": list(sites),
    }
