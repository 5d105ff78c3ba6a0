"""The firewall's steps."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent import answer, packages
from agent.errors import HostError, RefusedError
from agent.files import files_replaced, files_to_change, read
from agent.firewall import closing, confirmation, docker_user, installation, kernel, record, ufw
from agent.firewall.docker import refuse_published
from agent.firewall.original import restore_boot, returned
from agent.firewall.plan import Plan, SshEntrance, plan_kept, plan_ranges, plan_removal
from agent.firewall.record_version_1 import served_by
from agent.firewall.request import Needs, Request, parse_ranges, parse_request, upstreams
from agent.firewall.rules import ANYWHERE, SSH
from agent.firewall.ssh_access import open_ssh_ports, ssh_ports
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
    _refuse_silent_closing(wanted, sites)
    for serves, port in upstreams(wanted.needs):
        refuse_published(serves, port, dropped)
    absent = packages.missing(PROGRAMS)
    packages.refuse_conflicts(absent)
    if absent:
        packages.install(absent)
    with ufw.locked():
        plan = confirmation.plan_for(wanted)
        installation.install(task.modules)
        with (
            files_replaced(files_to_change(record.sites_file(sites))),
            docker_user.docker_rules_applied(dropped),
            confirmation.applied_with_undo(plan, wanted) as number,
            files_replaced(files_to_change(record.ranges_file(wanted.ranges))),
        ):
            packages.start_held()
            real_ip.install(wanted.ranges.ipv4, wanted.ranges.ipv6)
            installation.activate(docker_user=bool(dropped))
    has_ipv6 = 6 in plan.versions
    return Answer(
        _line(number, wanted.ranges, plan.ssh, has_ipv6), answer.firewall(number, plan.ssh, wanted.ranges, has_ipv6)
    )


def _refuse_silent_closing(wanted: Request, sites: Mapping[str, Needs]) -> None:
    """Refuses to shut what the host serves, unless its owner has said so."""
    ports = ssh_ports(wanted.ssh_port, {needs.ssh_port for needs in sites.values()})
    if wanted.close_others:
        return
    upstreams_here = {needs.upstream_port for needs in sites.values() if needs.upstream_port is not None}
    kept = [opening for needs in sites.values() for opening in needs.keep_open]
    networks = closing.host_networks()
    closing.refuse_closing(closing.services_to_shut(ports.all, upstreams_here, kept, networks), networks)


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
        dropped = docker_user.ports_to_drop(sites.values())
        docker_user.apply_docker_rules(dropped)
        installation.activate(docker_user=bool(dropped))
        kept = [opening for needs in sites.values() for opening in needs.keep_open]
        with ufw.locked(), _plan_applied(plan_kept(kept), open_ssh_ports(record.read_change().ssh_ports)):
            pass
        open_for = sorted(sites)
        said = f"port 443 stays open to Cloudflare for {' and '.join(open_for)}"
        return Answer(said, answer.firewall_removal(open_for, []))
    confirmation.disarm()
    stays: Sequence[str] = []
    if is_installed("ufw") and all(file is not None for file in ufw.current().values()):
        with ufw.locked():
            stays = _give_back()
    installation.remove()
    if is_installed("iptables"):
        docker_user.apply_docker_rules([])
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


def refresh(task: Task) -> Answer:
    """Applies fetched ranges to ufw and nginx. A disabled ufw stays as it is and is an error."""
    fetched: Mapping[str, list[str]] = task.payload
    ranges = check_update(parse_ranges(fetched["ipv4"], fetched["ipv6"]), record.read_ranges())
    docker_user.reinstate(task)
    with ufw.locked():
        plan = plan_ranges(ranges)
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so everyone reaches this host; run `ufw enable` on it")
        ports = open_ssh_ports(record.read_change().ssh_ports)
        with _plan_applied(plan, ports), files_replaced(files_to_change(record.ranges_file(ranges))):
            real_ip.install(ranges.ipv4, ranges.ipv6)
    return Answer(f"Cloudflare has {len(ranges.ipv4)} IPv4 and {len(ranges.ipv6)} IPv6 ranges")


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


def _line(number: int, ranges: Ranges, ssh: SshEntrance, has_ipv6: bool) -> str:
    ports = " and ".join(str(port) for port in ssh.ports)
    ipv6 = f" and {len(ranges.ipv6)} IPv6" if has_ipv6 else ""
    rest = "" if has_ipv6 else "; the kernel has no IPv6"
    limit = f"; your rule `{ssh.limit}` lets in 5 connections within 30 s from an address" if ssh.limit else ""
    return (
        f"firewall change {number}: port 443 is open to {len(ranges.ipv4)} IPv4{ipv6} ranges of Cloudflare, "
        f"SSH on port {ports} {_whom(ssh.networks)}{limit}{rest}"
    )


def _whom(networks: Sequence[str]) -> str:
    if not networks:
        return "as your own rules say"
    return "to everyone" if ANYWHERE[0] in networks or ANYWHERE[1] in networks else f"to {' and '.join(networks)}"
