"""The agent's copy on the host's disk and the units that run it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from agent.files import File, files_replaced, files_to_change, write
from agent.system import run

FOLDER = Path("/usr/local/lib/immich-access")
UNITS = Path("/etc/systemd/system")
UNDO = "immich-access-undo.service"
TIMER = "immich-access-ranges.timer"
DOCKER_USER = "immich-access-docker-user.service"
UNIT_NAMES = (UNDO, "immich-access-ranges.service", TIMER, DOCKER_USER)


def wanted_files(modules: Mapping[str, str]) -> dict[Path, File | None]:
    """The files that install the running agent and its units; None for files to delete."""
    files: dict[Path, File | None] = {FOLDER / name: File(text.encode()) for name, text in modules.items()}
    files |= {UNITS / name: File(modules[f"agent/units/{name}"].encode()) for name in UNIT_NAMES}
    return files | {path: None for path in FOLDER.rglob("*") if path.is_file() and path not in files}


def install(modules: Mapping[str, str]) -> None:
    """Installs the running agent and its units.

    Enables the undo unit. At boot it exits at once unless a change awaits confirmation.
    """
    changed = files_to_change(wanted_files(modules))
    # systemd finds new units when they are started or enabled at boot, so only changed ones need a reload, which takes
    # longer than everything else.
    stale = any(path.parent == UNITS and path.exists() for path in changed)
    with files_replaced(changed):
        if stale:
            run(["systemctl", "daemon-reload"])
        _enable({UNDO: True})


def activate(docker_user: bool) -> None:
    """Enables ufw, the daily refresh of the ranges, and the unit that Docker waits for if `docker_user` is true."""
    _enable({"ufw.service": True, TIMER: True, DOCKER_USER: docker_user})
    run(["systemctl", "start", TIMER])


def _enable(wanted: Mapping[str, bool]) -> None:
    """Enables or disables installed units."""
    states = run(["systemctl", "is-enabled", *wanted], check=False).stdout.split()
    for command, want in (("enable", True), ("disable", False)):
        units = [
            unit
            for (unit, one), state in zip(wanted.items(), states, strict=True)
            if one == want and (state == "enabled") != want
        ]
        if units:
            # Docker already runs, so systemd must reload to learn its new or dropped requirement.
            reload = [] if DOCKER_USER in units else ["--no-reload"]
            run(["systemctl", *reload, command, *units])


def remove() -> None:
    """Stops and removes the units and the installed copy, as far as they exist."""
    present = [name for name in UNIT_NAMES if (UNITS / name).exists()]
    if present:
        # Disable before stopping: stopping a unit that Docker still requires would stop Docker.
        run(["systemctl", "disable", *present])
        run(["systemctl", "stop", *present])
    for name in UNIT_NAMES:
        write(UNITS / name, None)
    run(["systemctl", "daemon-reload"])
    # A failed refresh would otherwise stay in the list of failed units.
    run(["systemctl", "reset-failed", *UNIT_NAMES], check=False)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
