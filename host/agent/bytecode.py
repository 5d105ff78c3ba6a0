"""Keeps what Python has made of the agent's text, because that takes longer than many steps run."""

import contextlib
import marshal
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.files import File, write
from agent.firewall import installation

FOLDER = Path("/var/cache/immich-access")


def keep(step: str, request: Mapping[str, Any]) -> None:
    """Keeps the modules that a step has used for bootstrap.py to find; once per version of the agent and of Python.

    A host on which the agent is not installed keeps nothing, and neither does one without room for it: the next run
    only takes longer.
    """
    if request["bytecode"].keys() == request["kept"] or not installation.FOLDER.exists():
        return
    file = File(marshal.dumps((request["version"], request["bytecode"])))
    with contextlib.suppress(OSError):
        for other in FOLDER.glob(f"{step}.*"):
            write(other, None)
        write(FOLDER / f"{step}.{sys.hexversion:x}", file)


def remove() -> None:
    """Removes what all steps have kept."""
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
