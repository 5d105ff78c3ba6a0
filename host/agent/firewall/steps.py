"""The firewall's steps."""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent import answer, packages
from agent.errors import HostError, RefusedError
from agent.files import files_replaced, files_to_change, read
from agent.firewall import confirmation, docker_user, installation, kernel, record, ufw
from agent.firewall.docker import refuse_published
from agent.firewall.plan import Plan, open_ssh_ports, plan_ranges, ssh_ports
from agent.firewall.record_version_1 import served_by
from agent.firewall.request import Needs, parse_ranges, parse_request, upstreams
from agent.nginx import real_ip
from agent.nginx.layout import LAYOUTS, enabled_sites
from agent.ranges import Ranges, check_update
from agent.system import is_installed
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import FirewallPayload

PROGRAMS = ("nginx", "ufw")


def firewall(task: Task) -> Answer:
    """Installs missing packages and allows only SSH and, on port 443, the given ranges."""
    payload: FirewallPayload = task.payload
    wanted = parse_request(payload)
    _refuse_other_service(wanted.needs)
    sites = record.sites_with(wanted)
    dropped = docker_user.ports_to_drop(sites.values())
    ssh_ports(wanted.ssh_port)
    for serves, port in upstreams(wanted.needs):
        refuse_published(serves, port, dropped)
    absent = packages.missing(PROGRAMS)
    if absent:
        packages.install(absent)
    with ufw.locked():
        plan, ports = confirmation.plan_for(wanted)
        installation.install(task.modules)
        with (
            files_replaced(files_to_change(record.sites_file(sites))),
            docker_user.docker_rules_applied(dropped),
            confirmation.applied_with_undo(plan, wanted, ports) as number,
            files_replaced(files_to_change(record.ranges_file(wanted.ranges))),
        ):
            packages.start_held()
            real_ip.install(wanted.ranges.ipv4, wanted.ranges.ipv6)
            installation.activate(docker_user=bool(dropped))
    has_ipv6 = 6 in plan.versions
    return Answer(
        _line(number, wanted.ranges, ports, has_ipv6), answer.firewall(number, ports, wanted.ranges, has_ipv6)
    )


def _refuse_other_service(wanted: Mapping[str, Needs]) -> None:
    """Refuses to switch a live name between Immich and public shares: DNS already points here.

    A name that served public shares has no Access application yet, and one that served Immich still has its own.
    """
    recorded, live = record.read_sites(), enabled_sites()
    for name, needs in wanted.items():
        former = recorded.get(name)
        if former is None or name not in live:
            continue
        serves = former.serves or _served_before(name)
        if serves is not None and serves != needs.serves:
            raise RefusedError(
                f"{name} serves {serves} on this host, and visitors are led to it: run `pulumi up` once without "
                "that name, and then with it"
            )


def _served_before(name: str) -> str | None:
    """What a site serves, for a record of version 1."""
    files = [file for place in LAYOUTS if (file := read(place.file(name))) is not None]
    return served_by(files[0].content.decode(errors="replace")) if files else None


def close_firewall() -> Answer:
    """Closes port 443 and removes what the firewall step installed; ufw stays enabled and allows SSH.

    If another stack still has sites on the host, only what the deleted sites required is removed.
    """
    sites = record.read_sites()
    if sites:
        dropped = docker_user.ports_to_drop(sites.values())
        docker_user.apply_docker_rules(dropped)
        installation.activate(docker_user=bool(dropped))
        open_for = sorted(sites)
        said = f"port 443 stays open to Cloudflare for {' and '.join(open_for)}"
        return Answer(said, answer.firewall_removal(open_for))
    confirmation.disarm()
    if is_installed("ufw") and all(file is not None for file in ufw.current().values()):
        with ufw.locked(), _plan_applied(plan_ranges(None), open_ssh_ports()):
            pass
    installation.remove()
    if is_installed("iptables"):
        docker_user.apply_docker_rules([])
    real_ip.remove()
    record.forget()
    return Answer("port 443 is shut; ufw stays as it is otherwise, with SSH let in", answer.firewall_removal([]))


def refresh(task: Task) -> Answer:
    """Applies fetched ranges to ufw and nginx. A disabled ufw stays as it is and is an error."""
    fetched: Mapping[str, list[str]] = task.payload
    ranges = check_update(parse_ranges(fetched["ipv4"], fetched["ipv6"]), record.read_ranges())
    docker_user.reinstate(task)
    with ufw.locked():
        plan = plan_ranges(ranges)
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so everyone reaches this host; run `ufw enable` on it")
        with _plan_applied(plan, open_ssh_ports()), files_replaced(files_to_change(record.ranges_file(ranges))):
            real_ip.install(ranges.ipv4, ranges.ipv6)
    return Answer(f"Cloudflare has {len(ranges.ipv4)} IPv4 and {len(ranges.ipv6)} IPv6 ranges")


@contextmanager
def _plan_applied(plan: Plan, ports: Collection[int]) -> Generator[None, None, None]:
    """Applies a plan that cannot lock anyone out of SSH, so without an undo. Rolls back if the body raises."""
    try:
        with files_replaced(files_to_change(plan.wanted)):
            kernel.apply(plan.wanted, ports)
            yield
    except BaseException:
        kernel.apply(plan.former, ports)
        raise


def _line(number: int, ranges: Ranges, ports: list[int], has_ipv6: bool) -> str:
    ssh = " and ".join(str(port) for port in ports)
    ipv6 = f" and {len(ranges.ipv6)} IPv6" if has_ipv6 else ""
    rest = "" if has_ipv6 else "; the kernel has no IPv6"
    return (
        f"firewall change {number}: port 443 is open to {len(ranges.ipv4)} IPv4{ipv6} ranges of Cloudflare, "
        f"SSH on port {ssh} to everyone{rest}"
    )
