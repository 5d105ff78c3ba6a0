"""Chooses the step that the request asks for and turns its errors into one line."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from agent import doctor, survey
from agent.access import steps as access
from agent.certificates import steps as certificates
from agent.errors import HostError
from agent.firewall import confirmation, docker_user, steps as firewall
from agent.lock import exclusive
from agent.nginx import steps as nginx

Step = Callable[[Mapping[str, Any]], str]

# Steps by the word on the command line. Each gets the whole request and returns its one line.
STEPS: dict[str, Step] = {
    "access": access.apply,
    "access-remove": access.remove,
    "certificates": certificates.apply,
    "certificates-remove": certificates.remove,
    "firewall": firewall.firewall,
    "firewall-docker-user": docker_user.reinstate,
    "firewall-refresh": firewall.refresh,
    "firewall-remove": firewall.firewall_remove,
    "firewall-undo": confirmation.undo,
    "nginx": nginx.apply,
    "nginx-remove": nginx.remove,
    "doctor": doctor.examine,
    "survey": survey.survey,
}

# Steps that do not wait for others, nor keep them waiting: two only look, and for the third Docker waits, which would
# not start after half a minute. What that changes is one transaction.
UNLOCKED = {"doctor", "survey", "firewall-docker-user"}


def main(step: str, request: Mapping[str, Any]) -> int:
    """Runs one step with the request; returns the exit status and prints one line."""
    # Folders that others have to read are so whatever the login's own mask is; files have their modes anyway.
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise HostError("the host agent needs root")
        if step not in STEPS:
            raise HostError(f"the host agent has no step {step!r}")
        with nullcontext() if step in UNLOCKED else exclusive(step):
            print(STEPS[step](request))
    except HostError as error:
        print(f"immich-access: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk is the one that happens; whatever it is, a person reads a line and not a stack.
        hint = "; free some space and run `pulumi up` again" if error.errno == errno.ENOSPC else ""
        print(f"immich-access: {step}: {error}{hint}", file=sys.stderr)
        return 1
    return 0
