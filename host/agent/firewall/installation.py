"""The agent's copy on the host's disk and the units that run it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from agent.files import File, differing, replaced, write
from agent.system import run

FOLDER = Path("/usr/local/lib/immich-access")
UNITS = Path("/etc/systemd/system")
TIMER = "immich-access-ranges.timer"
DOCKER_USER = "immich-access-docker-user.service"
UNIT_NAMES = ("immich-access-undo.service", "immich-access-ranges.service", TIMER, DOCKER_USER)


def wanted(modules: Mapping[str, str]) -> dict[Path, File | None]:
    """What shall be on disk of the agent that runs now, with its units."""
    files: dict[Path, File | None] = {FOLDER / name: File(text.encode()) for name, text in modules.items()}
    files |= {UNITS / name: File(modules[f"agent/units/{name}"].encode()) for name in UNIT_NAMES}
    return files | {path: None for path in FOLDER.rglob("*") if path.is_file() and path not in files}


def install(modules: Mapping[str, str]) -> None:
    """Makes the copy on disk the agent that runs now, and its units known to systemd."""
    changed = differing(wanted(modules))
    with replaced(changed):
        if any(path.parent == UNITS for path in changed):
            run(["systemctl", "daemon-reload"])


def start_timer() -> None:
    """Has the ranges refreshed from now on, every day."""
    enable(TIMER, wanted=True)
    run(["systemctl", "start", TIMER])


def enable(unit: str, wanted: bool) -> None:
    """Has a unit start with what it is installed for, or no more."""
    if (run(["systemctl", "is-enabled", unit], check=False).stdout.strip() == "enabled") != wanted:
        run(["systemctl", "enable" if wanted else "disable", unit])


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
