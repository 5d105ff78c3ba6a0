"""The rule in Docker's chain DOCKER-USER that closes the port on which Docker publishes Immich.

Docker leaves that chain to its users: dockerd makes it if it is missing, lets everything forwarded pass it first, and
never changes what is in it. Packets come there with the container's address; what they were sent to, conntrack knows.
"""

import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from agent.errors import HostError
from agent.firewall import kernel, record
from agent.firewall.request import checked_request

CHAIN = "DOCKER-USER"
COMMENT = "immich-access: published port"

# What a rule may do before Docker's chain gets its turn.
HARMLESS = {"DROP", "REJECT", "LOG", "NFLOG", ""}


@contextmanager
def enforced(port: int | None) -> Generator[None, None, None]:
    """Drops for the body what others send to a published port, or nothing; if it raises, all is as it was."""
    former = {version: _ours(kernel.filter_rules(version)) for version in kernel.versions()}
    try:
        enforce(port)
        yield
    except BaseException:
        for version, rules in former.items():
            _restore(version, rules)
        raise


def enforce(port: int | None) -> None:
    """Makes the rule for a port the chain's first one, and takes those for others out; None takes out all of ours."""
    for version in kernel.versions():
        _restore(version, [] if port is None else [rule(port)])


def in_force(port: int) -> bool:
    """Whether the rule is the first of its chain, over every IP version."""
    return all(_chain(kernel.filter_rules(version))[:1] == [rule(port)] for version in kernel.versions())


def reinstate(_request: Mapping[str, Any]) -> str:
    """The step before Docker starts, also at boot: puts the rule in place that the last firewall step asked for."""
    payload = record.read_change().payload
    port = None if payload is None else checked_request(payload).dropped_port
    if port is None:
        return "no published port is to be closed"
    enforce(port)
    return f"what others send to the published port {port} is dropped"


def rule(port: int) -> str:
    """The rule as `iptables -S` lists it: what Docker has passed on from that port, but not the answers to it."""
    return (
        f"-A {CHAIN} -p tcp -m conntrack --ctstate DNAT --ctorigdstport {port} --ctdir ORIGINAL "
        f'-m comment --comment "{COMMENT}" -j DROP'
    )


def refuse_unhooked(version: int) -> None:
    """Raises HostError where packets may be accepted before they come to the chain, or never come there."""
    for line in kernel.filter_rules(version):
        if line == f"-A FORWARD -j {CHAIN}":
            return
        words = shlex.split(line)
        target = words[words.index("-j") + 1] if "-j" in words else ""
        if line.startswith("-A FORWARD ") and target not in HARMLESS:
            break
    raise HostError(
        f"Docker's chain {CHAIN} is not the first of {kernel.TOOL[version]}'s FORWARD chain, so a rule in it closes "
        "nothing; run `systemctl restart docker` on the host, which puts it there, and `pulumi up` again; "
        "nothing has been changed"
    )


def _chain(listing: Sequence[str]) -> list[str]:
    return [line for line in listing if line.startswith(f"-A {CHAIN} ")]


def _ours(listing: Sequence[str]) -> list[str]:
    return [line for line in _chain(listing) if f'--comment "{COMMENT}"' in line]


def _restore(version: int, wanted: Sequence[str]) -> None:
    """Makes these the rules of ours, before all others of the chain, in one transaction."""
    listing = kernel.filter_rules(version)
    ours, chain = _ours(listing), _chain(listing)
    if ours == wanted and chain[: len(ours)] == ours:
        return
    there = f"-N {CHAIN}" in listing
    lines = [
        *([] if there else [f"-N {CHAIN}"]),
        *(f"-D{line[2:]}" for line in ours),
        *(f"-I{line[2:]}" for line in reversed(wanted)),
    ]
    # A chain that nobody uses is one that we made.
    if not wanted and ours == chain and not any(line.endswith(f" -j {CHAIN}") for line in listing):
        lines.append(f"-X {CHAIN}")
    kernel.restore(version, "\n".join(["*filter", *lines, "COMMIT\n"]))
