"""Installs the distribution's packages that are missing."""

import time
from collections.abc import Sequence
from pathlib import Path

from agent.errors import HostError
from agent.system import installed, run

LISTS = Path("/var/lib/apt/lists")

# Where systemd keeps masks that last until the next boot.
MASKS = Path("/run/systemd/system")

# apt-get's lists count as stale after a day: the versions in them may be gone from the mirror.
FRESH_SECONDS = 24 * 3600

# A mirror may be slow, but a step must not hang for ever.
TIMEOUT_SECONDS = 600.0

OPTIONS = ("-qq", "-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30")


def missing(programs: Sequence[str]) -> list[str]:
    """Those of the programs that are not installed; each is in the package of the same name."""
    return [program for program in programs if not installed(program)]


def install(packages: Sequence[str]) -> None:
    """Installs packages without starting their services: nothing may listen before the firewall is in force.

    Services are held back by a mask that lasts until `release`, or until the next boot. Raises HostError when apt-get
    cannot install them.
    """
    for package in packages:
        run(["systemctl", "mask", "--runtime", f"{package}.service"])
    try:
        if time.time() - _lists_time() > FRESH_SECONDS:
            # Old lists may still do: whether they did is told by the installation.
            run(["apt-get", *OPTIONS, "update"], check=False, timeout=TIMEOUT_SECONDS)
        run(
            ["apt-get", *OPTIONS, "install", "-y", "--no-install-recommends", *packages],
            timeout=TIMEOUT_SECONDS,
        )
    except HostError as error:
        release(packages)
        names = " ".join(packages)
        raise HostError(
            f"cannot install {names}: {error}; run `apt-get update && apt-get install {names}` on the host to see why"
        ) from None


def release(packages: Sequence[str]) -> bool:
    """Lets the services of installed packages be started; whether any was held back."""
    held = [package for package in packages if (MASKS / f"{package}.service").is_symlink()]
    for package in held:
        run(["systemctl", "unmask", "--runtime", f"{package}.service"])
    return bool(held)


def _lists_time() -> float:
    """When apt-get last fetched its lists, in seconds since the epoch; 0 if it has none."""
    return max((file.stat().st_mtime for file in LISTS.glob("*_Packages*")), default=0.0)
