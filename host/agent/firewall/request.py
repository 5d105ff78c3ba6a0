"""The firewall step's request."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.ranges import Ranges, check_ranges
from agent.site import require_different

if TYPE_CHECKING:
    from agent.payloads import DoctorPayload, DoctorPayloadSite, FirewallPayload, FirewallPayloadSite

# The value of dockerPublishedPort that closes a published port instead of refusing it.
DROP = "drop"

Serves = Literal["immich", "shares"]


class Needs(NamedTuple):
    """One site's requirements of the firewall, which all sites of the host share."""

    # What the site serves; None if a record of version 1 does not say
    serves: Serves | None
    ssh_port: int
    # The upstream's port; None if the upstream runs on another host
    upstream_port: int | None
    # The port whose connections from elsewhere DOCKER-USER must drop, or None
    dropped_port: int | None
    # The stack and host name that deployed the site last; None if a record of version 1 does not say
    owner: str | None


class Request(NamedTuple):
    """The desired firewall."""

    ssh_port: int
    # By host name
    needs: Mapping[str, Needs]
    ranges: Ranges
    confirm_seconds: int


def parse_request(payload: "FirewallPayload") -> Request:
    """Parses the step's payload; raises RefusedError for anything that cannot be applied."""
    owner = payload["owner"]
    needs = needs_of(payload["sites"], payload["sshPort"], payload["dockerPublishedPort"], owner)
    ranges = parse_ranges(payload["ranges"]["ipv4"], payload["ranges"]["ipv6"])
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def parse_examined_request(payload: "DoctorPayload", ranges: Ranges) -> Request:
    """The same for the payload of the step `doctor`, with the host's current ranges."""
    needs = needs_of(payload["sites"], payload["sshPort"], payload["dockerPublishedPort"], None)
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def needs_of(
    sites: "Sequence[FirewallPayloadSite] | Sequence[DoctorPayloadSite]",
    ssh_port: int,
    published: str,
    owner: str | None,
) -> dict[str, Needs]:
    """Each site's requirements of the firewall."""
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
    """The distinct upstreams on this host: what each serves, and its port."""
    return list(
        dict.fromkeys(
            (one.serves, one.upstream_port)
            for one in needs.values()
            if one.serves is not None and one.upstream_port is not None
        )
    )


def parse_ranges(ipv4: Sequence[str], ipv6: Sequence[str]) -> Ranges:
    """Validates ranges of both IP versions; raises RefusedError for an invalid one."""
    return Ranges(check_ranges(ipv4, 4), check_ranges(ipv6, 6))
