"""Commit confirmed for the firewall: a change is rolled back unless a new SSH connection confirms it.

A connection from the host itself proves no way in from outside. It confirms a change that was made from there and
leaves open what was open for SSH; any other one needs a login from another machine. With it goes the guard of the sites
that the change brought.
"""

import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from agent.errors import HostError
from agent.files import files_replaced, files_to_change
from agent.firewall import kernel, record, ufw
from agent.firewall.connection import boot_id, comes_from_outside, has_login_from_outside, opened_at, since_boot
from agent.firewall.guard import steps as guard
from agent.firewall.guard.doors import find_doors, own_port
from agent.firewall.installation import UNDO
from agent.firewall.original import is_on, original_with
from agent.firewall.plan import Plan, plan_firewall
from agent.firewall.record_fields import Armed, Change
from agent.firewall.request import Needs, Request, kept_open, served_ports
from agent.firewall.ssh_access import SshNetworks, ssh_ports
from agent.listeners.addresses import INSIDE, own_addresses
from agent.system import run
from agent.task import Answer, Task

# How long a repeated change waits for confirmation: a person has to start `pulumi up` once more.
SECOND_CHANCE_SECONDS = 600

# When a step that waits for a login gives up, so that it does not hold the undo up.
LAST_SECONDS = 3


def plan_for(request: Request) -> Plan:
    """The plan for a request; raises RefusedError if the request is refused. Needs ufw's lock."""
    sites = record.sites_with(request)
    own = [port for needs in sites.values() if (port := own_port(needs.upstream)) is not None]
    served = served_ports(sites.values())
    closed = {*served, *own}
    others = {needs.ssh_port for name, needs in sites.items() if name not in request.needs}
    ports = ssh_ports(request.ssh_port, others - closed)
    return plan_firewall(
        request.ranges,
        ports,
        _networks(request, sites),
        served=served,
        kept=kept_open(sites.values()),
        closed=closed,
        home=find_doors(sites, ports.all).home,
    )


def _networks(request: Request, sites: Mapping[str, Needs]) -> SshNetworks:
    """Whom the rules for SSH let in, by this request and by the host's other sites."""
    recorded = record.read_sites()
    own = next(needs.ssh_from for needs in request.needs.values())
    known = [recorded[name].ssh_from for name in request.needs if name in recorded]
    return SshNetworks(
        own,
        [needs.ssh_from for name, needs in sites.items() if name not in request.needs],
        is_changed=any(list(one) != list(own) for one in known),
    )


@contextmanager
def applied_with_undo(plan: Plan, request: Request) -> Generator[int, None, None]:
    """Applies a plan and arms the undo, then runs the body. Needs ufw's lock.

    Yields the number of the change in force: a new one if anything had to change. Rolls back if the body raises.
    """
    former, ports = record.read_change(), plan.ssh.ports
    if not files_to_change(plan.wanted) and kernel.in_force(plan.wanted):
        yield former.number
        record.write_change(Change(former.number, request, ports))
        return
    number = former.number + 1
    armed = record.read_armed()
    policies = None if is_on(plan.former) else kernel.policies()
    sites = record.sites_to_undo()
    now = Armed(
        request.confirm_seconds,
        plan.former,
        boot_id(),
        since_boot(),
        record.read_original(),
        policies,
        sites,
        # Not written during an upgrade from version 1, which has no such field, unless somebody is shut out
        bool(plan.ssh.shut_out) or (comes_from_outside() and sites is not None),
    )
    try:
        # If an earlier change is still unconfirmed, the undo restores what was confirmed last.
        record.write_armed(now if armed is None else _armed_again(armed, now))
        record.write_change(Change(number, request, ports))
        _start_undo_service()
        recorded = record.original_file(original_with(plan.former, plan.wanted))
        with files_replaced(files_to_change({**recorded, **plan.wanted})):
            kernel.apply(plan.wanted, ports)
            yield number
    except BaseException:
        kernel.apply(plan.former, ports, policies)
        if files_to_change(plan.former):
            # A full disk, for one: the undo service goes on trying.
            raise
        record.write_armed(armed)
        record.write_change(former)
        if armed is None:
            _stop_undo_service()
        else:
            _start_undo_service()
        raise


def confirm_firewall_change(final: bool) -> int:
    """Confirms the pending change from a newer SSH connection; returns the number of the change in force.

    A change that was undone is applied again and waits for `SECOND_CHANCE_SECONDS`. The next step then confirms it; at
    the `final` confirmation there is no next step, so HostError asks for another `pulumi up`.
    """
    armed = record.read_armed()
    change = record.read_change()
    if armed is not None and armed.boot == boot_id() and opened_at() < armed.at:
        raise HostError(
            "this SSH connection is older than the firewall's change, so it cannot confirm it; "
            "end it and run `pulumi up` again"
        )
    # An undo that a full disk keeps from its end has put back the kernel's rules at least.
    is_undone = change.undone if armed is None else not kernel.in_force(ufw.current())
    if not is_undone or change.request is None:
        if armed is not None and armed.needs_outside and not comes_from_outside():
            _await_login(armed)
        disarm()
        return change.number
    request = change.request._replace(confirm_seconds=SECOND_CHANCE_SECONDS)
    sites = record.sites_with(request)
    with (
        ufw.locked(),
        guard.guarded(guard.plan_guard({}, sites)),
        applied_with_undo(plan_for(request), request) as number,
        files_replaced(files_to_change(record.sites_file(sites))),
    ):
        pass
    if final:
        raise HostError(
            "the firewall's change had been undone, because no new SSH connection confirmed it in time; it has been "
            f"made again; run `pulumi up` again within {SECOND_CHANCE_SECONDS // 60} minutes"
        )
    return number


def _armed_again(armed: Armed, now: Armed) -> Armed:
    """What awaits confirmation already, with the window of another change."""
    return armed._replace(
        seconds=now.seconds, boot=now.boot, at=now.at, needs_outside=armed.needs_outside or now.needs_outside
    )


def _await_login(armed: Armed) -> None:
    """Waits for a login from another machine that was opened after the change. HostError says that none came."""
    print(f"immich-access: {login_request(seconds_left(armed))}", file=sys.stderr, flush=True)
    since = armed.at if armed.boot == boot_id() else 0.0
    # Once: after a boot the window begins anew, and does not get shorter by itself.
    end = since_boot() + seconds_left(armed) - LAST_SECONDS
    while not has_login_from_outside(since):
        if since_boot() > end:
            raise HostError(
                "nobody has logged in over SSH from another machine since the firewall's change, so it is being "
                "undone; run `pulumi up` again and log in meanwhile, or take back what shuts SSH (sshFrom, sshPort "
                "or a rule of yours)"
            )
        time.sleep(1)


def login_request(seconds: float) -> str:
    """Asks for a login from another machine, for people."""
    addresses = " or ".join(
        own.address
        for own in own_addresses()
        if own.is_global and own.is_lasting and not own.interface.startswith(INSIDE)
    )
    return (
        f"log in over SSH from another machine within {seconds:.0f} s, with a new connection to {addresses}, and stay "
        "logged in until `pulumi up` has ended: that shows that the firewall lets you in; else its change is undone"
    )


def disarm() -> None:
    """Keeps the present rules, confirmed or not."""
    if record.read_armed() is not None:
        record.write_armed(None)
        _stop_undo_service()


def seconds_left(armed: Armed) -> float:
    """Seconds until a change is undone. A boot begins the window anew, since nobody could connect before."""
    if armed.boot != boot_id():
        return armed.seconds
    return max(0.0, armed.at + armed.seconds - since_boot())


def undo(_task: Task) -> Answer:
    """The step that the undo service runs when the window ends: restores the former rules.

    First in the kernel, which needs no space on a disk. Raises HostError if the files cannot follow; systemd then runs
    the step again.
    """
    armed = record.read_armed()
    change = record.read_change()
    if armed is None:
        return Answer("no change of the firewall waits for its confirmation")
    with ufw.locked():
        kernel.apply(armed.former, change.ssh_ports, armed.policies)
        former = {**armed.former, **record.original_file(armed.original)}
        if armed.sites is not None:
            former |= {**guard.put_back(armed.sites), **record.sites_file(armed.sites)}
        try:
            with files_replaced(files_to_change(former)):
                record.write_change(change._replace(undone=True))
        except OSError as error:
            raise HostError(
                f"the firewall's rules before change {change.number} are in force again, but their files cannot be "
                f"written yet ({error.strerror}); this is tried again every few seconds"
            ) from None
    # Stopping this very service would end the step, so only remove the file that starts it again.
    record.write_armed(None)
    return Answer(
        f"change {change.number} of the firewall was undone, because no new SSH connection confirmed it in time"
    )


def _start_undo_service() -> None:
    # The service is enabled too, so a reboot within the window does not keep an unconfirmed change.
    run(["systemctl", "restart", "--no-block", UNDO])


def _stop_undo_service() -> None:
    run(["systemctl", "stop", UNDO])
