"""The firewall's steps."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent import answer, bytecode, packages
from agent.errors import HostError, RefusedError
from agent.files import files_replaced, files_to_change, read
from agent.firewall import closing, confirmation, former_docker_user, installation, kernel, record, status, ufw
from agent.firewall.ahead import refuse_obstacles
from agent.firewall.guard import steps as guard
from agent.firewall.original import restore_boot, returned
from agent.firewall.plan import Home, Plan, SshEntrance, plan_ranges, plan_removal
from agent.firewall.record_versions import served_by
from agent.firewall.request import Needs, Request, kept_open, parse_ranges, parse_request, served_ports
from agent.firewall.rules import ANYWHERE, SSH
from agent.firewall.ssh_access import open_ssh_ports, ssh_ports
from agent.immich import refuse_immich
from agent.nginx import real_ip
from agent.nginx.former_port import listening_ports
from agent.nginx.layout import LAYOUTS, enabled_sites
from agent.port_holder import refuse_holder
from agent.ranges import Ranges, check_update
from agent.site import SHARES
from agent.system import is_installed
from agent.task import Answer, Task
from agent.ways_in.look import look_ahead, look_now, refuse_ways_in, untold

if TYPE_CHECKING:
    from agent.payloads import FirewallPayload

PROGRAMS = ("nginx", "ufw", "nft")


def firewall(task: Task) -> Answer:
    """Installs missing packages and allows only SSH and, on the sites' ports, the given ranges."""
    payload: FirewallPayload = task.payload
    wanted = _with_former_ports(parse_request(payload))
    _refuse_other_service(wanted.needs)
    for needs in wanted.needs.values():
        if needs.serves == SHARES and needs.upstream is not None:
            refuse_immich(needs.upstream)
    sites = record.sites_with(wanted)
    ports = ssh_ports(wanted.ssh_port, {needs.ssh_port for needs in sites.values()})
    served = served_ports(sites.values())
    guard.refuse_upstreams(wanted.needs, sites)
    door_guard = guard.plan_guard(task.modules, sites)
    guard.refuse_unsupported(door_guard)
    refuse_holder(served)
    refuse_obstacles(wanted.ranges, served)
    found = look_ahead(sites, wanted.ranges)
    refuse_ways_in(found)
    if not wanted.close_others:
        _refuse_silent_closing(sites, ports.all, door_guard.doors.host_ports)
    absent = packages.missing(PROGRAMS)
    packages.refuse_conflicts(absent)
    if absent:
        packages.install(absent)
        # With what nft can tell since it was installed.
        door_guard = guard.plan_guard(task.modules, sites)
    with ufw.locked():
        plan = confirmation.plan_for(wanted)
        # It only closes, so it comes before everything that opens.
        with guard.guarded(door_guard):
            installation.install(task.modules, task.brought)
            former_docker_user.remove()
            with (
                confirmation.applied_with_undo(plan, wanted) as number,
                files_replaced(files_to_change({**record.sites_file(sites), **record.ranges_file(wanted.ranges)})),
            ):
                packages.start_held()
                real_ip.install(wanted.ranges.ipv4, wanted.ranges.ipv6)
                installation.activate()
    has_ipv6 = 6 in plan.versions
    return Answer(
        _line(number, served, wanted.ranges, plan.ssh, has_ipv6) + _shut_out(plan.ssh, wanted) + untold(found),
        answer.firewall(number, plan.ssh, wanted.ranges, has_ipv6),
    )


def _with_former_ports(wanted: Request) -> Request:
    """A request that also keeps open where visitors come to its sites now: Cloudflare is told of a new port later."""
    recorded = record.read_sites()
    former = {
        name: [port for port in needs.origin_ports if port in listening_ports(name)] for name, needs in recorded.items()
    }
    needs = {
        name: one._replace(origin_ports=tuple(dict.fromkeys([*one.origin_ports, *former.get(name, [])])))
        for name, one in wanted.needs.items()
    }
    return wanted._replace(needs=needs)


def _refuse_silent_closing(sites: Mapping[str, Needs], ports: Collection[int], guarded: Collection[int]) -> None:
    """Refuses to shut what the host serves besides the `guarded` ports, which the program closes by its purpose."""
    networks = closing.host_networks()
    served = served_ports(sites.values())
    found = closing.services_to_block(ports, guarded, kept_open(sites.values()), networks, served)
    closing.refuse_closing(found, networks)


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
    """Removes what the firewall step installed, and gives back what ufw was before.

    ufw is turned off if the program has turned it on and nobody has used it since. If another stack still has sites on
    the host, only what the deleted sites required is removed.
    """
    sites = record.read_sites()
    if sites:
        keep_only(sites)
        open_for = sorted(sites)
        said = f"port {_words(served_ports(sites.values()))} stays open to Cloudflare for {' and '.join(open_for)}"
        return Answer(said, answer.firewall_removal(open_for, []))
    confirmation.disarm()
    stays: Sequence[str] = []
    if is_installed("ufw") and all(file is not None for file in ufw.current().values()):
        with ufw.locked():
            stays = _give_back()
    installation.remove()
    bytecode.remove()
    former_docker_user.remove()
    guard.remove()
    real_ip.remove()
    record.forget()
    said = "; ".join(["the firewall's rules of this program are gone", *stays])
    return Answer(said, answer.firewall_removal([], stays))


def _give_back() -> Sequence[str]:
    """Removes our rules from ufw and gives back its state; returns what stays, for people. Needs ufw's lock."""
    back = returned()
    opens = any(setting.name == "DEFAULT_INPUT_POLICY" for setting in back.settings)
    keep_ssh = back.stays_on and not opens
    plan = plan_removal(back.settings, keep_ssh)
    original = record.read_original()
    policies = None if original is None or back.stays_on else original.policies
    with _plan_applied(plan, open_ssh_ports(record.read_change().ssh_ports), policies):
        restore_boot(None if back.stays_on else original)
    has_ssh = keep_ssh and any(SSH.encode().hex() in text for text in _user_rules(plan))
    return [*back.stays, *(["so does its rule for SSH, by which you may come in"] if has_ssh else [])]


def _user_rules(plan: Plan) -> list[str]:
    files = [plan.wanted[path] for path in ufw.USER_RULES.values()]
    return ["" if file is None else file.content.decode(errors="replace") for file in files]


def keep_only(sites: Mapping[str, Needs]) -> None:
    """Takes away what no site needs: doors of the guard, home networks' rules, ports, and what stayed open."""
    kept = guard.plan_guard({}, sites)
    guard.repair(kept)
    ranges = record.read_ranges()
    if ranges is not None and is_installed("ufw"):
        ports = open_ssh_ports(record.read_change().ssh_ports)
        with ufw.locked():
            plan = plan_ranges(ranges, served_ports(sites.values()), kept.doors.home, kept_open(sites.values()))
            with _plan_applied(plan, ports):
                pass


def refresh(task: Task) -> Answer:
    """Renews the guard, and applies fetched ranges to ufw and nginx. A disabled ufw stays as it is and is an error.

    The guard comes first, whatever else is wrong. What had happened to it is an error as well, so that it shows.
    """
    with status.reported() as found:
        return _refresh(task, found)


def _refresh(task: Task, told: status.Found) -> Answer:
    sites = record.read_sites()
    if not sites and record.read_change().undone:
        raise HostError(
            "the firewall's change was undone, because no new SSH connection confirmed it in time, so this host is as "
            "it was before; run `pulumi up` again"
        )
    renewed = guard.plan_guard(task.modules, sites)
    trouble = guard.repair(renewed)
    told.guard = trouble is None
    try:
        ranges = _refresh_ranges(task.payload, renewed.doors.home)
    except HostError as error:
        raise HostError(f"{error}; {trouble}" if trouble else str(error)) from None
    told.fetched = True
    if trouble is not None:
        raise HostError(trouble)
    # Last: whatever it finds, the ranges are current.
    found = look_now(record.read_sites())
    told.ways_in = len(found.ways) if found.ways or not found.unclear else None
    if found.ways:
        raise HostError("; ".join(f"{way.problem}: {way.remedy}" for way in found.ways))
    return Answer(f"Cloudflare has {len(ranges.ipv4)} IPv4 and {len(ranges.ipv6)} IPv6 ranges{untold(found)}")


def _refresh_ranges(fetched: Mapping[str, Any], home: Home) -> Ranges:
    if "problem" in fetched:
        raise HostError(fetched["problem"])
    ranges = check_update(parse_ranges(fetched["ipv4"], fetched["ipv6"]), record.read_ranges())
    with ufw.locked():
        sites = record.read_sites().values()
        plan = plan_ranges(ranges, served_ports(sites), home, kept_open(sites))
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so everyone reaches this host; run `ufw enable` on it")
        ports = open_ssh_ports(record.read_change().ssh_ports)
        with _plan_applied(plan, ports), files_replaced(files_to_change(record.ranges_file(ranges))):
            real_ip.install(ranges.ipv4, ranges.ipv6)
    return ranges


@contextmanager
def _plan_applied(
    plan: Plan, ports: Collection[int], policies: kernel.Policies | None = None
) -> Generator[None, None, None]:
    """Applies a plan that cannot lock anyone out of SSH, so without an undo. Rolls back if the body raises."""
    try:
        with files_replaced(files_to_change(plan.wanted)):
            kernel.apply(plan.wanted, ports, policies)
            yield
    except BaseException:
        kernel.apply(plan.former, ports)
        raise


def _line(number: int, served: Collection[int], ranges: Ranges, ssh: SshEntrance, has_ipv6: bool) -> str:
    ports = _words(ssh.ports)
    ipv6 = f" and {len(ranges.ipv6)} IPv6" if has_ipv6 else ""
    rest = "" if has_ipv6 else "; the kernel has no IPv6"
    limit = f"; your rule `{ssh.limit}` lets in 5 connections within 30 s from an address" if ssh.limit else ""
    return (
        f"firewall change {number}: port {_words(served)} is open to {len(ranges.ipv4)} IPv4{ipv6} ranges of "
        f"Cloudflare, SSH on port {ports} {_whom(ssh.networks)}{limit}{rest}"
    )


def _shut_out(ssh: SshEntrance, wanted: Request) -> str:
    """What the owner has to do where the rules keep somebody out of SSH who got in before, as the end of a line."""
    if not ssh.shut_out:
        return ""
    return (
        f"; {' and '.join(ssh.shut_out)} could reach SSH before: {confirmation.login_request(wanted.confirm_seconds)}"
    )


def _words(ports: Collection[int]) -> str:
    return " and ".join(str(port) for port in ports)


def _whom(networks: Sequence[str]) -> str:
    if not networks:
        return "as your own rules say"
    return "to everyone" if ANYWHERE[0] in networks or ANYWHERE[1] in networks else f"to {' and '.join(networks)}"
