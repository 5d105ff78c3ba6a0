"""The firewall's steps."""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from agent import packages
from agent.errors import HostError
from agent.files import differing, replaced
from agent.firewall import confirmation, docker_user, installation, kernel, record, ufw
from agent.firewall.docker import refuse_published
from agent.firewall.plan import Plan, open_ssh_ports, planned_ranges, ssh_ports
from agent.firewall.request import checked_payload_ranges, checked_request, upstreams
from agent.nginx import real_ip
from agent.ranges import Ranges, checked_update
from agent.system import installed

PROGRAMS = ("nginx", "ufw")


def firewall(request: Mapping[str, Any]) -> str:
    """Installs what is missing and lets only SSH and, on port 443, the given ranges in."""
    payload: dict[str, Any] = request["payload"]
    wanted = checked_request(payload)
    sites = record.sites_with(wanted)
    dropped = docker_user.dropped(sites.values())
    ssh_ports(wanted.ssh_port)
    for serves, port in upstreams(payload):
        refuse_published(serves, port, dropped)
    absent = packages.missing(PROGRAMS)
    if absent:
        packages.install(absent)
    with ufw.locked():
        plan, ports = confirmation.prepared(wanted)
        installation.install(request["modules"])
        with (
            replaced(differing(record.keeping_sites(sites))),
            docker_user.enforced(dropped),
            confirmation.applied(plan, payload, ports, wanted.confirm_seconds) as number,
            replaced(differing(record.keeping(wanted.ranges))),
        ):
            packages.start_held()
            real_ip.install(wanted.ranges.ipv4, wanted.ranges.ipv6)
            installation.activate(docker_user=bool(dropped))
    return _line(number, plan, wanted.ranges, ports)


def shut() -> str:
    """Shuts port 443 and removes what the firewall step left on the host; ufw stays enabled, with SSH let in.

    Where the host still has sites of another stack, all but what was for those that are gone stays.
    """
    sites = record.read_sites()
    if sites:
        dropped = docker_user.dropped(sites.values())
        docker_user.enforce(dropped)
        installation.activate(docker_user=bool(dropped))
        return f"port 443 stays open to Cloudflare for {' and '.join(sorted(sites))}"
    confirmation.disarm()
    if installed("ufw") and all(file is not None for file in ufw.current().values()):
        with ufw.locked(), _enforced(planned_ranges(None), open_ssh_ports()):
            pass
    installation.remove()
    if installed("iptables"):
        docker_user.enforce([])
    real_ip.remove()
    record.forget()
    return "port 443 is shut; ufw stays as it is otherwise, with SSH let in"


def refresh(request: Mapping[str, Any]) -> str:
    """Takes fetched ranges over into ufw and nginx. A disabled ufw is left alone, and is an error."""
    ranges = checked_update(checked_payload_ranges(request["payload"]), record.read_ranges())
    docker_user.reinstate(request)
    with ufw.locked():
        plan = planned_ranges(ranges)
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so everyone reaches this host; run `ufw enable` on it")
        with _enforced(plan, open_ssh_ports()), replaced(differing(record.keeping(ranges))):
            real_ip.install(ranges.ipv4, ranges.ipv6)
    return f"Cloudflare has {len(ranges.ipv4)} IPv4 and {len(ranges.ipv6)} IPv6 ranges"


@contextmanager
def _enforced(plan: Plan, ports: Collection[int]) -> Generator[None, None, None]:
    """Puts a plan in force that cannot cost anyone SSH, so without arming. If the body raises, all is as it was."""
    try:
        with replaced(differing(plan.wanted)):
            kernel.enforce(plan.wanted, ports)
            yield
    except BaseException:
        kernel.enforce(plan.former, ports)
        raise


def _line(number: int, plan: Plan, ranges: Ranges, ports: list[int]) -> str:
    ssh = " and ".join(str(port) for port in ports)
    ipv6 = f" and {len(ranges.ipv6)} IPv6" if 6 in plan.versions else ""
    rest = "" if 6 in plan.versions else "; the kernel has no IPv6"
    return (
        f"firewall change {number}: port 443 is open to {len(ranges.ipv4)} IPv4{ipv6} ranges of Cloudflare, "
        f"SSH on port {ssh} to everyone{rest}"
    )
