"""The agent's copy on the host's disk and the units that run it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from agent.files import File, files_replaced, files_to_change, write
from agent.system import run
from agent.systemd import UnitState, unit_states
from agent.task import Brought

FOLDER = Path("/usr/local/lib/immich-access")
# The agents that the stacks on this host have brought, by their version, for the steps that bring none. An older one
# stays for another stack that has not been upgraded, until the last stack leaves.
AGENTS = FOLDER / "agents"
# The version that was installed last
VERSION = FOLDER / "version"
UNITS = Path("/etc/systemd/system")
UNDO = "immich-access-undo.service"
TIMER = "immich-access-ranges.timer"
GUARD = "immich-access-guard.service"
UNIT_NAMES = (UNDO, "immich-access-ranges.service", TIMER, GUARD)
NFTABLES = "nftables.service"
DROP_IN = UNITS / f"{NFTABLES}.d/immich-access.conf"
# The commands of nftables.service in Debian 11 to 13 and Ubuntu 22.04 to 24.04
STOCK_COMMANDS = {
    "ExecStart=/usr/sbin/nft -f /etc/nftables.conf",
    "ExecReload=/usr/sbin/nft -f /etc/nftables.conf",
    "ExecStop=/usr/sbin/nft flush ruleset",
}


def wanted_files(modules: Mapping[str, str], brought: Brought | None) -> dict[Path, File | None]:
    """The files that install the running agent and its units; None for files to delete."""
    files: dict[Path, File | None] = {FOLDER / name: File(text.encode()) for name, text in modules.items()}
    if brought is not None:
        files[AGENTS / brought.version] = File(brought.archive.encode())
        # After the agent that it names
        files[VERSION] = File(brought.version.encode())
    files |= {UNITS / name: File(modules[f"agent/units/{name}"].encode()) for name in UNIT_NAMES}
    drop_in = "nftables-stock.conf" if _has_stock_nftables() else "nftables-owners.conf"
    files[DROP_IN] = File(modules[f"agent/units/{drop_in}"].encode())
    old = (path for path in FOLDER.rglob("*") if path.is_file() and path not in files and path.parent != AGENTS)
    return files | dict.fromkeys(old)


def _has_stock_nftables() -> bool:
    """Whether nftables.service runs the distribution's commands: neither another unit nor another drop-in is there."""
    unit = Path("/lib/systemd/system", NFTABLES)
    others = [UNITS / NFTABLES, *(path for path in DROP_IN.parent.glob("*.conf") if path != DROP_IN)]
    if not unit.exists() or any(path.exists() for path in others):
        return False
    return {line for line in unit.read_text().splitlines() if line.startswith("Exec")} == STOCK_COMMANDS


def install(modules: Mapping[str, str], brought: Brought | None) -> None:
    """Installs the running agent and its units.

    Enables the undo unit, which exits at once at boot unless a change awaits confirmation, and the guard's.
    """
    changed = files_to_change(wanted_files(modules, brought))
    # systemd finds new units when they are started or enabled at boot, so only changed ones and drop-ins need a reload,
    # which takes longer than everything else.
    stale = any((path.parent == UNITS and path.exists()) or path == DROP_IN for path in changed)
    with files_replaced(changed):
        if stale:
            run(["systemctl", "daemon-reload"])
        _enable(UNDO, GUARD)


def activate() -> None:
    """Enables ufw and the daily refresh of the ranges."""
    if not _enable("ufw.service", TIMER)[TIMER].is_active:
        run(["systemctl", "start", TIMER])


def _enable(*wanted: str) -> dict[str, UnitState]:
    """Enables installed units; returns their states of before."""
    states = unit_states(*wanted)
    units = [unit for unit, state in states.items() if state.file_state != "enabled"]
    if units:
        # Docker already runs, so systemd must reload to learn its new requirement.
        reload = [] if GUARD in units else ["--no-reload"]
        run(["systemctl", *reload, "enable", *units])
    return states


def remove() -> None:
    """Stops and removes the units and the installed copy, as far as they exist."""
    present = [name for name in UNIT_NAMES if (UNITS / name).exists()]
    if present:
        # Disable before stopping: stopping a unit that Docker still requires would stop Docker.
        run(["systemctl", "disable", *present])
        run(["systemctl", "stop", *present])
    for path in (*(UNITS / name for name in UNIT_NAMES), DROP_IN):
        write(path, None)
    if DROP_IN.parent.exists() and not any(DROP_IN.parent.iterdir()):
        DROP_IN.parent.rmdir()
    run(["systemctl", "daemon-reload"])
    # A failed refresh would otherwise stay in the list of failed units.
    run(["systemctl", "reset-failed", *UNIT_NAMES], check=False)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
