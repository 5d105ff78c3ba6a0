"""Chooses the step that the request asks for and turns its errors into one line."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from agent.errors import HostError
from agent.lock import exclusive

# The function for the word on the command line, and its module, which is loaded for it alone: the agent arrives as
# text, and reading all of it takes longer than many a step. Each gets the whole request and returns its one line.
STEPS = {
    "certificates": ("agent.certificates.steps", "apply"),
    "firewall": ("agent.firewall.steps", "firewall"),
    "firewall-docker-user": ("agent.firewall.docker_user", "reinstate"),
    "firewall-refresh": ("agent.firewall.steps", "refresh"),
    "firewall-remove": ("agent.removal", "leave"),
    "firewall-undo": ("agent.firewall.confirmation", "undo"),
    "nginx": ("agent.nginx.steps", "apply"),
    "site-remove": ("agent.removal", "remove"),
    "doctor": ("agent.doctor", "examine"),
    "survey": ("agent.survey", "survey"),
}

# Steps that do not wait for others, nor keep them waiting: two only look, and for the third Docker waits, which would
# not start after half a minute. What that changes is one transaction.
UNLOCKED = {"doctor", "survey", "firewall-docker-user"}


def loaded(step: str) -> Callable[[Mapping[str, Any]], str]:
    """The function of a step; raises HostError where there is none of this name."""
    if step not in STEPS:
        raise HostError(f"the host agent has no step {step!r}")
    module, function = STEPS[step]
    return getattr(import_module(module), function)


def main(step: str, request: Mapping[str, Any]) -> int:
    """Runs one step with the request; returns the exit status and prints one line."""
    # Folders that others have to read are so whatever the login's own mask is; files have their modes anyway.
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise HostError("the host agent needs root")
        apply = loaded(step)
        with nullcontext() if step in UNLOCKED else exclusive(step):
            print(apply(request))
    except HostError as error:
        print(f"immich-access: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk is the one that happens; whatever it is, a person reads a line and not a stack.
        hint = "; free some space and run `pulumi up` again" if error.errno == errno.ENOSPC else ""
        print(f"immich-access: {step}: {error}{hint}", file=sys.stderr)
        return 1
    return 0
