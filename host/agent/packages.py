"""Installs the distribution's packages that are missing."""

import time
from collections.abc import Sequence
from pathlib import Path

from agent import changes
from agent.errors import HostError
from agent.system import is_installed, run

LISTS = Path("/var/lib/apt/lists")

# Packages whose services listen as soon as they are installed. They are masked in /run, so a killed step leaves
# nothing on disk, as a policy-rc.d would.
LISTENING = ("nginx",)
MASKS = Path("/run/systemd/system")

# Package lists are stale after a day: the mirror may have dropped their versions.
FRESH_SECONDS = 24 * 3600

# A mirror may be slow, but a step must not hang for ever.
TIMEOUT_SECONDS = 600.0

OPTIONS = ("-qq", "-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30")


def missing(programs: Sequence[str]) -> list[str]:
    """The programs that are not installed. Each is in the package of the same name."""
    return [program for program in programs if not is_installed(program)]


def install(packages: Sequence[str]) -> None:
    """Installs packages but holds the services that listen: none may before the firewall is in force.

    Call `start_held` afterwards. Raises HostError when apt-get cannot install them.
    """
    changes.note("packages")
    held = [f"{package}.service" for package in packages if package in LISTENING]
    if held:
        run(["systemctl", "mask", "--runtime", *held])
    try:
        if time.time() - _lists_time() > FRESH_SECONDS:
            # A failed update is no error yet: old lists may do, and the installation fails if they do not.
            run(["apt-get", *OPTIONS, "update"], check=False, timeout=TIMEOUT_SECONDS)
        run(
            ["apt-get", *OPTIONS, "install", "-y", "--no-install-recommends", *packages],
            timeout=TIMEOUT_SECONDS,
        )
    except HostError as error:
        if held:
            run(["systemctl", "unmask", "--runtime", *held])
        names = " ".join(packages)
        raise HostError(
            f"cannot install {names}: {error}; run `apt-get update && apt-get install {names}` on the host to see why"
        ) from None


def start_held() -> None:
    """Starts the services that `install` held back, now and at every boot."""
    for service in (f"{package}.service" for package in LISTENING):
        if (MASKS / service).is_symlink():
            run(["systemctl", "unmask", "--runtime", service])
            # The package could not enable its service while it was masked.
            run(["systemctl", "enable", service])
            # Not checked here: the step that needs the service reports what is wrong with it.
            run(["systemctl", "start", service], check=False)


def _lists_time() -> float:
    """When apt-get last fetched its lists, in seconds since the epoch; 0 if it has none."""
    return max((file.stat().st_mtime for file in LISTS.glob("*_Packages*")), default=0.0)
