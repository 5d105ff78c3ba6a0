"""Runs the host's programs."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agent.errors import HostError

# Only the distribution's programs, whatever PATH the SSH user has.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def run(
    command: Sequence[str], *, text: str | None = None, check: bool = True, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end with `text` on its standard input, which is empty otherwise.

    Raises HostError with the program's own last line when it fails (unless `check` is false), when it is not there,
    and when it takes longer than `timeout` seconds. Never put a secret into `command`.
    """
    try:
        result = subprocess.run(
            command,
            input=text or "",
            capture_output=True,
            # Names of processes and comments in files may be in any encoding.
            encoding="utf-8",
            errors="surrogateescape",
            timeout=timeout,
            check=False,
            env=ENVIRONMENT,
        )
    except FileNotFoundError:
        raise HostError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{' '.join(command)} did not end within {timeout:g} s") from None
    if check and result.returncode != 0:
        raise HostError(f"{' '.join(command)} failed: {last_line(result)}")
    return result


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """The last line of a program's output, from standard error unless that is empty."""
    return _output_lines(result)[-1].strip()


def first_line(result: subprocess.CompletedProcess[str]) -> str:
    """The first line of the same output: systemctl prints the reason first and advice after it."""
    return _output_lines(result)[0].strip()


def _output_lines(result: subprocess.CompletedProcess[str]) -> list[str]:
    text = result.stderr.strip() or result.stdout.strip()
    return text.splitlines() or [f"exit status {result.returncode}"]


def is_installed(program: str) -> bool:
    """Whether the distribution's program is there."""
    return any(os.access(Path(folder, program), os.X_OK) for folder in ENVIRONMENT["PATH"].split(":"))
