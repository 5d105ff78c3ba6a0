"""The firewall step's request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.firewall.openings import Opening, parse_networks, parse_opening
from agent.firewall.rules import HTTPS_PORT
from agent.firewall.ssh_access import own_ssh_port
from agent.ranges import Ranges, check_ranges, parse_home_network
from agent.site import check_upstream, require_different

if TYPE_CHECKING:
    from agent.payloads import DoctorPayload, FirewallPayload

Serves = Literal["immich", "shares"]


class Needs(NamedTuple):
    """One site's requirements of the firewall, which all sites of the host share."""

    # What the site serves; None if a record of version 1 does not say
    serves: Serves | None
    ssh_port: int
    # Where nginx finds the upstream, as address:port; None if a record of an older version does not say
    upstream: str | None
    # The networks that may use the upstream's port of this host, in CIDR form
    home_networks: Sequence[str]
    # The stack and host name that deployed the site last; None if a record of version 1 does not say
    owner: str | None
    # The networks that a rule of ours for SSH lets in; anywhere if empty
    ssh_from: Sequence[str] = ()
    # What stays open besides SSH and the site's own ports
    keep_open: Sequence[Opening] = ()
    # The ports on which nginx serves the site to Cloudflare: the one of the settings, then the former one until
    # Cloudflare no longer comes there
    origin_ports: Sequence[int] = (HTTPS_PORT,)


class Request(NamedTuple):
    """The desired firewall."""

    ssh_port: int
    # By host name
    needs: Mapping[str, Needs]
    ranges: Ranges
    confirm_seconds: int
    # Whether the step may shut what else the host serves; no later one asks again
    close_others: bool = True


def parse_request(payload: "FirewallPayload") -> Request:
    """Parses the step's payload; raises RefusedError for anything that cannot be applied."""
    ranges = parse_ranges(payload["ranges"]["ipv4"], payload["ranges"]["ipv6"])
    request = request_for(payload, parse_needs(payload, payload["owner"]), ranges)
    return request._replace(close_others=payload["closeOthers"])


def request_for(payload: "FirewallPayload | DoctorPayload", needs: Mapping[str, Needs], ranges: Ranges) -> Request:
    """The request of a payload with these requirements and ranges."""
    return Request(payload["sshPort"], needs, ranges, payload["confirmSeconds"])


def parse_needs(payload: "FirewallPayload | DoctorPayload", owner: str | None) -> dict[str, Needs]:
    """Each site's requirements of the firewall; raises RefusedError for a site that is there twice."""
    require_different([site["hostname"] for site in payload["sites"]])
    home = [str(parse_home_network(text)) for text in payload["homeNetworks"]]
    ssh_from = parse_networks(payload["sshFrom"])
    keep_open = [parse_opening(text) for text in payload["keepOpen"]]
    port = payload["originPort"]
    return {
        site["hostname"]: Needs(
            site["serves"],
            own_ssh_port(payload["sshPort"]),
            check_upstream(site["upstream"]),
            home,
            owner,
            ssh_from,
            keep_open,
            (port,),
        )
        for site in payload["sites"]
    }


def served_ports(sites: Iterable[Needs]) -> list[int]:
    """The ports on which nginx serves any of these sites to Cloudflare, in order."""
    return sorted({port for needs in sites for port in needs.origin_ports})


def kept_open(sites: Iterable[Needs]) -> list[Opening]:
    """What stays open for any of these sites, once each."""
    return list(dict.fromkeys(opening for needs in sites for opening in needs.keep_open))


def parse_ranges(ipv4: Sequence[str], ipv6: Sequence[str]) -> Ranges:
    """Validates ranges of both IP versions; raises RefusedError for an invalid one."""
    return Ranges(check_ranges(ipv4, 4), check_ranges(ipv6, 6))
