"""What the firewall step is asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.ranges import Ranges, check_ranges
from agent.site import require_different

if TYPE_CHECKING:
    from agent.payloads import DoctorPayload, DoctorPayloadSite, FirewallPayload, FirewallPayloadSite

# What to do with an upstream that Docker publishes to everyone.
DROP = "drop"

Serves = Literal["immich", "shares"]


class Needs(NamedTuple):
    """What one site asks of the firewall, which all sites of the host share."""

    # What the site shows; None where a record of version 1 does not tell
    serves: Serves | None
    ssh_port: int
    # Of what nginx hands the site's requests to; None where that runs on another host
    upstream_port: int | None
    # The port whose connections from elsewhere Docker's chain DOCKER-USER shall drop, or None
    dropped_port: int | None
    # Which stack, and which host of it, has put the site here last; None where a record of version 1 does not tell
    owner: str | None


class Request(NamedTuple):
    """What the firewall shall be."""

    ssh_port: int
    # By host name
    needs: Mapping[str, Needs]
    ranges: Ranges
    confirm_seconds: int


def parse_request(payload: "FirewallPayload") -> Request:
    """The payload of the step; raises RefusedError for anything in it that cannot be applied."""
    owner = payload["owner"]
    needs = needs_of(payload["sites"], payload["sshPort"], payload["dockerPublishedPort"], owner)
    ranges = parse_ranges(payload["ranges"]["ipv4"], payload["ranges"]["ipv6"])
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def parse_examined_request(payload: "DoctorPayload", ranges: Ranges) -> Request:
    """The same by the payload of the step `doctor`, for the ranges that the host has."""
    needs = needs_of(payload["sites"], payload["sshPort"], payload["dockerPublishedPort"], None)
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def needs_of(
    sites: "Sequence[FirewallPayloadSite] | Sequence[DoctorPayloadSite]",
    ssh_port: int,
    published: str,
    owner: str | None,
) -> dict[str, Needs]:
    """What each site asks of the firewall."""
    require_different([site["hostname"] for site in sites])
    return {
        site["hostname"]: Needs(
            site["serves"],
            ssh_port,
            site["upstreamPort"],
            site["upstreamPort"] if published == DROP else None,
            owner,
        )
        for site in sites
    }


def upstreams(needs: Mapping[str, Needs]) -> list[tuple[Serves, int]]:
    """What sites have on this host itself: what each serves, and on which port, once each."""
    return list(
        dict.fromkeys(
            (one.serves, one.upstream_port)
            for one in needs.values()
            if one.serves is not None and one.upstream_port is not None
        )
    )


def parse_ranges(ipv4: Sequence[str], ipv6: Sequence[str]) -> Ranges:
    """Ranges of both IP versions; raises RefusedError for what can be none."""
    return Ranges(check_ranges(ipv4, 4), check_ranges(ipv6, 6))
