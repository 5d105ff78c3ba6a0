"""Chooses the step that the request asks for and turns its errors into one line."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from agent.errors import HostError

Step = Callable[[Mapping[str, Any]], str]

# Steps by the word on the command line.
STEPS: dict[str, Step] = {}


def main(step: str, request: Mapping[str, Any]) -> int:
    """Runs one step with the request's payload; returns the exit status and prints one line."""
    try:
        if os.geteuid() != 0:
            raise HostError("the host agent needs root")
        if step not in STEPS:
            raise HostError(f"the host agent has no step {step!r}")
        print(STEPS[step](request["payload"]))
    except HostError as error:
        print(f"immich-access: {error}", file=sys.stderr)
        return 1
    return 0
