"""The firewall step's request."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.ranges import Ranges, check_ranges
from agent.site import require_different

if TYPE_CHECKING:
    from agent.payloads import DoctorPayload, FirewallPayload

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
    ranges = parse_ranges(payload["ranges"]["ipv4"], payload["ranges"]["ipv6"])
    return request_for(payload, parse_needs(payload, payload["owner"]), ranges)


def request_for(payload: "FirewallPayload | DoctorPayload", needs: Mapping[str, Needs], ranges: Ranges) -> Request:
    """The request of a payload with these requirements and ranges."""
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def parse_needs(payload: "FirewallPayload | DoctorPayload", owner: str | None) -> dict[str, Needs]:
    """Each site's requirements of the firewall; raises RefusedError for a site that is there twice."""
    require_different([site["hostname"] for site in payload["sites"]])
    drops = payload["dockerPublishedPort"] == DROP
    return {
        site["hostname"]: Needs(
            site["serves"],
            payload["sshPort"],
            site["upstreamPort"],
            site["upstreamPort"] if drops else None,
            owner,
        )
        for site in payload["sites"]
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
