"""Looks for ways in on behalf of the survey, the steps of `pulumi up`, the daily refresh and the doctor."""

from collections.abc import Collection, Mapping, Sequence

from agent.errors import RefusedError
from agent.firewall import record
from agent.firewall.request import Needs, served_ports
from agent.nginx import service
from agent.ranges import Ranges
from agent.system import is_installed
from agent.ways_in.find import Findings, find_ways_in
from agent.ways_in.reach import Filter, filter_after_step, filter_now, guarded_ports
from agent.ways_in.upstreams import Upstream, served_upstreams, upstreams_of


def look_ahead(sites: Mapping[str, Needs], ranges: Ranges) -> Findings:
    """The ways in that will be open once the firewall step has let Cloudflare in to these sites."""
    return _look(sites, [], filter_after_step(ranges, served_ports(sites.values())))


def look_before_first(hostname: str, upstreams: Sequence[Upstream], closed: Collection[int], port: int) -> Findings:
    """The ways in that will be open once a first site is served on a port, apart from the `closed` ports."""
    sites = record.read_sites()
    seen = filter_after_step(record.read_ranges(), {port, *served_ports(sites.values())})
    return _look(sites, upstreams, seen, [hostname], closed)


def look_now(sites: Mapping[str, Needs], upstreams: Sequence[Upstream] = ()) -> Findings:
    """The ways in to these sites, and to further upstreams, that are open now."""
    return _look(sites, upstreams, filter_now(record.read_ranges()))


def refuse_ways_in(found: Findings) -> None:
    """Raises RefusedError with every way in and what to do about it."""
    if found.ways:
        told = "; ".join(f"{way.problem}: {way.remedy}" for way in found.ways)
        raise RefusedError(f"{told}; then run `pulumi up` again")


def untold(found: Findings) -> str:
    """What could not be found out, for a step's last line; empty if that is nothing."""
    return "".join(f"; not known: {text}" for text in found.unclear)


def _look(
    sites: Mapping[str, Needs],
    upstreams: Sequence[Upstream],
    seen: Filter,
    names: Collection[str] = (),
    closed: Collection[int] = (),
) -> Findings:
    dump = service.configuration() if is_installed("nginx") else ""
    all_of_them = [*upstreams, *upstreams_of(sites), *served_upstreams(dump, sites)]
    guarded = {*guarded_ports(sites), *closed}
    return find_ways_in([*sites, *names], list(dict.fromkeys(all_of_them)), seen, guarded, dump)
