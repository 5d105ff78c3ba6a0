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
    """What shall be on disk of the agent that runs now, with its units."""
    files: dict[Path, File | None] = {FOLDER / name: File(text.encode()) for name, text in modules.items()}
    files |= {UNITS / name: File(modules[f"agent/units/{name}"].encode()) for name in UNIT_NAMES}
    return files | {path: None for path in FOLDER.rglob("*") if path.is_file() and path not in files}


def install(modules: Mapping[str, str]) -> None:
    """Makes the copy on disk the agent that runs now, and its units known to systemd.

    What undoes a change is enabled from then on, and does nothing at a boot where no change waits.
    """
    changed = files_to_change(wanted_files(modules))
    # Units that are new are found when they are started, and those that are enabled at boot. To read all units anew
    # takes longer than everything else.
    stale = any(path.parent == UNITS and path.exists() for path in changed)
    with files_replaced(changed):
        if stale:
            run(["systemctl", "daemon-reload"])
        _enable({UNDO: True})


def activate(docker_user: bool) -> None:
    """Has ufw start at every boot, the ranges refreshed daily, and Docker wait for the rule in its chain, or not."""
    _enable({"ufw.service": True, TIMER: True, DOCKER_USER: docker_user})
    run(["systemctl", "start", TIMER])


def _enable(wanted: Mapping[str, bool]) -> None:
    """Has units that are installed start at every boot, or not."""
    states = run(["systemctl", "is-enabled", *wanted], check=False).stdout.split()
    for command, want in (("enable", True), ("disable", False)):
        units = [
            unit
            for (unit, one), state in zip(wanted.items(), states, strict=True)
            if one == want and (state == "enabled") != want
        ]
        if units:
            # Docker, which runs already, must learn what it requires from now on, or no more.
            reload = [] if DOCKER_USER in units else ["--no-reload"]
            run(["systemctl", *reload, command, *units])


def remove() -> None:
    """Ends and removes the units and the copy, as far as they are there."""
    present = [name for name in UNIT_NAMES if (UNITS / name).exists()]
    if present:
        # One after the other: to stop what Docker still requires would stop Docker.
        run(["systemctl", "disable", *present])
        run(["systemctl", "stop", *present])
    for name in UNIT_NAMES:
        write(UNITS / name, None)
    run(["systemctl", "daemon-reload"])
    # A failed refresh would otherwise stay in the list of failed units.
    run(["systemctl", "reset-failed", *UNIT_NAMES], check=False)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
