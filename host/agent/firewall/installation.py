"""The agent's copy on the host's disk and the units that run it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from agent.files import File, differing, replaced, write
from agent.system import run

FOLDER = Path("/usr/local/lib/immich-access")
UNITS = Path("/etc/systemd/system")
UNDO = "immich-access-undo.service"
TIMER = "immich-access-ranges.timer"
DOCKER_USER = "immich-access-docker-user.service"
UNIT_NAMES = (UNDO, "immich-access-ranges.service", TIMER, DOCKER_USER)


def wanted(modules: Mapping[str, str]) -> dict[Path, File | None]:
    """What shall be on disk of the agent that runs now, with its units."""
    files: dict[Path, File | None] = {FOLDER / name: File(text.encode()) for name, text in modules.items()}
    files |= {UNITS / name: File(modules[f"agent/units/{name}"].encode()) for name in UNIT_NAMES}
    return files | {path: None for path in FOLDER.rglob("*") if path.is_file() and path not in files}


def install(modules: Mapping[str, str]) -> None:
    """Makes the copy on disk the agent that runs now, and its units known to systemd.

    What undoes a change is enabled from then on, and does nothing at a boot where no change waits.
    """
    changed = differing(wanted(modules))
    with replaced(changed):
        # Either makes systemd read its units anew.
        if _states(UNDO)[UNDO].enabled != "enabled":
            run(["systemctl", "enable", UNDO])
        elif any(path.parent == UNITS for path in changed):
            run(["systemctl", "daemon-reload"])


def activate(docker_user: bool) -> None:
    """Has ufw start at every boot, the ranges refreshed every day, and Docker wait for the rule in its chain, or not."""
    states = _states("ufw.service", TIMER, DOCKER_USER)
    for command, want in (("enable", True), ("disable", False)):
        units = [
            unit
            for unit, state in states.items()
            if (docker_user if unit == DOCKER_USER else True) == want and (state.enabled == "enabled") != want
        ]
        if units:
            run(["systemctl", command, *units])
    if states[TIMER].active != "active":
        run(["systemctl", "start", TIMER])


class _State(NamedTuple):
    """What systemd says about a unit; both are empty where there is none."""

    enabled: str
    active: str


def _states(*units: str) -> dict[str, _State]:
    shown = run(["systemctl", "show", "--property=UnitFileState,ActiveState", *units]).stdout
    properties = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    return {
        unit: _State(found.get("UnitFileState", ""), found.get("ActiveState", ""))
        for unit, found in zip(units, properties, strict=True)
    }


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
