"""Runs the requested step and reports its errors in one line."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NamedTuple

from agent import answer, bytecode, changes, contract
from agent.display import displayable
from agent.errors import HostError, RefusedError
from agent.firewall.connection import forget_attempts
from agent.lock import lock_held
from agent.task import Answer, Brought, Task


class _Step(NamedTuple):
    module: str
    function: str
    # Whether the program calls it, with a payload of the contract, and reads its answer
    remote: bool = True
    # Whether it holds the step lock, so that no other step runs meanwhile
    locked: bool = True


# Each step imports only its own module: the agent arrives as text, and compiling all of it takes longer than many
# steps run.
# Two steps take no lock: `doctor` and `survey` are read-only.
STEPS = {
    "certificates": _Step("agent.certificates.steps", "apply"),
    "firewall": _Step("agent.firewall.steps", "firewall"),
    "firewall-refresh": _Step("agent.firewall.steps", "refresh", remote=False),
    "firewall-remove": _Step("agent.removal", "remove_stack"),
    "firewall-undo": _Step("agent.firewall.confirmation", "undo", remote=False),
    "nginx": _Step("agent.nginx.steps", "apply"),
    "former-port-close": _Step("agent.removal", "close_former_port"),
    "site-remove": _Step("agent.removal", "remove_site"),
    "doctor": _Step("agent.doctor", "examine", locked=False),
    "survey": _Step("agent.survey", "survey", locked=False),
}


def load_step(name: str) -> Callable[[Task], Answer]:
    """The function of a step; raises HostError for an unknown name."""
    step = STEPS.get(name)
    if step is None:
        raise HostError(f"the host agent has no step {name!r}")
    return getattr(import_module(step.module), step.function)


def _brought(request: Mapping[str, Any]) -> Brought | None:
    return Brought(request["version"], request["archive"]) if "archive" in request else None


def main(name: str, request: Mapping[str, Any]) -> int:
    """Runs one step with the request; returns the exit status.

    If the program calls the step, messages go to standard error, and the last line of standard output is the answer.
    """
    # nginx and the verifier must be able to enter our folders even if the SSH user's umask is stricter. Files get
    # explicit modes.
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise HostError("the host agent needs root")
        apply = load_step(name)
        step = STEPS[name]
        if step.remote:
            forget_attempts()
        payload = contract.payload_of(name, request) if step.remote else request.get("payload")
        with lock_held(name) if step.locked else nullcontext():
            result = apply(Task(payload, request.get("modules", {}), _brought(request)))
            if step.remote and step.locked:
                bytecode.keep(name, request)
    except HostError as error:
        unchanged = isinstance(error, RefusedError) and not changes.any_made()
        print(
            f"immich-access: {displayable(str(error))}{'; nothing has been changed' if unchanged else ''}",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        # Print one line instead of a stack trace. A full disk is the likely cause, so it gets a remedy.
        hint = "; free some space and run `pulumi up` again" if error.errno == errno.ENOSPC else ""
        print(f"immich-access: {name}: {displayable(str(error))}{hint}", file=sys.stderr)
        return 1
    if result.says:
        print(displayable(result.says, keep="\n"), file=sys.stderr if step.remote else sys.stdout)
    if step.remote:
        print(answer.line(name, request["revision"], result.facts))
    return 0
