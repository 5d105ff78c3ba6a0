"""Commit confirmed for the firewall: a change is rolled back unless a new SSH connection confirms it."""

from collections.abc import Generator
from contextlib import contextmanager

from agent.errors import HostError
from agent.files import files_replaced, files_to_change
from agent.firewall import kernel, record, ufw
from agent.firewall.connection import boot_id, opened_at, since_boot
from agent.firewall.installation import UNDO
from agent.firewall.plan import Plan, plan_firewall, ssh_ports
from agent.firewall.record import Armed, Change
from agent.firewall.request import Request
from agent.firewall.rules import HTTPS_PORT
from agent.system import run
from agent.task import Answer, Task

# How long a repeated change waits for confirmation: a person has to start `pulumi up` once more.
SECOND_CHANCE_SECONDS = 600


def plan_for(request: Request) -> tuple[Plan, list[int]]:
    """The plan and the SSH ports for a request; raises HostError if the request is refused. Needs ufw's lock."""
    sites = record.sites_with(request).values()
    ports = ssh_ports(request.ssh_port, {needs.ssh_port for needs in sites})
    closed = {needs.upstream_port for needs in sites if needs.upstream_port is not None}
    return plan_firewall(request.ranges, ports, {HTTPS_PORT, *closed}), ports


@contextmanager
def applied_with_undo(plan: Plan, request: Request, ports: list[int]) -> Generator[int, None, None]:
    """Applies a plan and arms the undo, then runs the body. Needs ufw's lock.

    Yields the number of the change in force: a new one if anything had to change. Rolls back if the body raises.
    """
    former = record.read_change()
    if not files_to_change(plan.wanted) and kernel.in_force(plan.wanted):
        yield former.number
        record.write_change(Change(former.number, request, ports))
        return
    number = former.number + 1
    armed = record.read_armed()
    # If an earlier change is still unconfirmed, the undo restores the last confirmed files.
    before = plan.former if armed is None else armed.former
    try:
        record.write_armed(Armed(request.confirm_seconds, before, boot_id(), since_boot()))
        record.write_change(Change(number, request, ports))
        _start_undo_service()
        with files_replaced(files_to_change(plan.wanted)):
            kernel.apply(plan.wanted, ports)
            yield number
    except BaseException:
        kernel.apply(plan.former, ports)
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
    if armed is not None:
        if armed.boot == boot_id() and opened_at() < armed.at:
            raise HostError(
                "this SSH connection is older than the firewall's change, so it cannot confirm it; "
                "end it and run `pulumi up` again"
            )
        disarm()
        return change.number
    if not change.undone or change.request is None:
        return change.number
    request = change.request._replace(confirm_seconds=SECOND_CHANCE_SECONDS)
    with ufw.locked():
        plan, ports = plan_for(request)
        with applied_with_undo(plan, request, ports) as number:
            pass
    if final:
        raise HostError(
            "the firewall's change had been undone, because no new SSH connection confirmed it in time; it has been "
            f"made again; run `pulumi up` again within {SECOND_CHANCE_SECONDS // 60} minutes"
        )
    return number


def disarm() -> None:
    """Keeps the present rules, confirmed or not."""
    if record.read_armed() is not None:
        record.write_armed(None)
        _stop_undo_service()


def undo(_task: Task) -> Answer:
    """The step that the undo service runs when the window ends: restores the former rules."""
    armed = record.read_armed()
    change = record.read_change()
    if armed is None:
        return Answer("no change of the firewall waits for its confirmation")
    with ufw.locked(), files_replaced(files_to_change(armed.former)):
        kernel.apply(armed.former, change.ssh_ports)
        record.write_change(change._replace(undone=True))
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
