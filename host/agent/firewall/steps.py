"""The firewall's steps."""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent import answer, packages
from agent.errors import HostError, RefusedError
from agent.files import files_replaced, files_to_change, read
from agent.firewall import confirmation, former_docker_user, installation, kernel, record, ufw
from agent.firewall.guard import steps as guard
from agent.firewall.plan import Home, Plan, open_ssh_ports, plan_ranges, ssh_ports
from agent.firewall.record_versions import served_by
from agent.firewall.request import Needs, parse_ranges, parse_request
from agent.nginx import real_ip
from agent.nginx.layout import LAYOUTS, enabled_sites
from agent.ranges import Ranges, check_update
from agent.system import is_installed
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import FirewallPayload

PROGRAMS = ("nginx", "ufw", "nft")


def firewall(task: Task) -> Answer:
    """Installs missing packages and allows only SSH and, on port 443, the given ranges."""
    payload: FirewallPayload = task.payload
    wanted = parse_request(payload)
    _refuse_other_service(wanted.needs)
    sites = record.sites_with(wanted)
    ssh_ports(wanted.ssh_port)
    guard.refuse_upstreams(wanted.needs, sites)
    door_guard = guard.plan_guard(task.modules, sites)
    guard.refuse_unsupported(door_guard)
    absent = packages.missing(PROGRAMS)
    if absent:
        packages.install(absent)
        door_guard = guard.replan_guard(task.modules, sites)
    with ufw.locked():
        plan, ports = confirmation.plan_for(wanted)
        # It only closes, so it comes before everything that opens.
        with guard.guarded(door_guard):
            installation.install(task.modules)
            former_docker_user.remove()
            with (
                files_replaced(files_to_change(record.sites_file(sites))),
                confirmation.applied_with_undo(plan, wanted, ports) as number,
                files_replaced(files_to_change(record.ranges_file(wanted.ranges))),
            ):
                packages.start_held()
                real_ip.install(wanted.ranges.ipv4, wanted.ranges.ipv6)
                installation.activate()
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
        _keep_only(sites)
        open_for = sorted(sites)
        said = f"port 443 stays open to Cloudflare for {' and '.join(open_for)}"
        return Answer(said, answer.firewall_removal(open_for))
    confirmation.disarm()
    if is_installed("ufw") and all(file is not None for file in ufw.current().values()):
        with ufw.locked(), _plan_applied(plan_ranges(None), open_ssh_ports()):
            pass
    installation.remove()
    former_docker_user.remove()
    guard.remove()
    real_ip.remove()
    record.forget()
    return Answer("port 443 is shut; ufw stays as it is otherwise, with SSH let in", answer.firewall_removal([]))


def _keep_only(sites: Mapping[str, Needs]) -> None:
    """Takes away what only deleted sites needed: doors of the guard, and rules for home networks."""
    kept = guard.plan_guard({}, sites)
    guard.repair(kept)
    ranges = record.read_ranges()
    if ranges is not None and is_installed("ufw"):
        with ufw.locked(), _plan_applied(plan_ranges(ranges, kept.doors.home), open_ssh_ports()):
            pass


def refresh(task: Task) -> Answer:
    """Renews the guard, and applies fetched ranges to ufw and nginx. A disabled ufw stays as it is and is an error.

    The guard comes first, whatever else is wrong. What had happened to it is an error as well, so that it shows.
    """
    renewed = guard.plan_guard(task.modules, record.read_sites())
    trouble = guard.repair(renewed)
    try:
        ranges = _refresh_ranges(task.payload, renewed.doors.home)
    except HostError as error:
        raise HostError(f"{error}; {trouble}" if trouble else str(error)) from None
    if trouble is not None:
        raise HostError(trouble)
    return Answer(f"Cloudflare has {len(ranges.ipv4)} IPv4 and {len(ranges.ipv6)} IPv6 ranges")


def _refresh_ranges(fetched: Mapping[str, Any], home: Home) -> Ranges:
    if "problem" in fetched:
        raise HostError(fetched["problem"])
    ranges = check_update(parse_ranges(fetched["ipv4"], fetched["ipv6"]), record.read_ranges())
    with ufw.locked():
        plan = plan_ranges(ranges, home)
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so everyone reaches this host; run `ufw enable` on it")
        with _plan_applied(plan, open_ssh_ports()), files_replaced(files_to_change(record.ranges_file(ranges))):
            real_ip.install(ranges.ipv4, ranges.ipv6)
    return ranges


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
