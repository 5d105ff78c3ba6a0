"""The rules in Docker's chain DOCKER-USER that close the ports on which Docker publishes the sites' upstreams.

Docker leaves that chain to its users: dockerd creates it if it is missing, sends all forwarded packets through it
first, and never changes its rules. In this chain packets already carry the container's address; the published port is
in conntrack (--ctorigdstport).
"""

import shlex
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager

from agent.errors import RefusedError
from agent.firewall import kernel, record
from agent.firewall.request import Needs
from agent.task import Answer, Task

CHAIN = "DOCKER-USER"
COMMENT = "immich-access: published port"

# Targets of rules that may precede Docker's chain: none of them accepts a packet.
HARMLESS = {"DROP", "REJECT", "LOG", "NFLOG", ""}


@contextmanager
def docker_rules_applied(ports: Collection[int]) -> Generator[None, None, None]:
    """Drops what others send to published ports, then runs the body; rolls back if the body raises."""
    former = {version: _our_rules(kernel.filter_rules(version)) for version in kernel.versions()}
    try:
        apply_docker_rules(ports)
        yield
    except BaseException:
        for version, rules in former.items():
            _replace_our_rules(version, rules)
        raise


def ports_to_drop(sites: Collection[Needs]) -> list[int]:
    """The published ports that the sites require to be closed."""
    return sorted({needs.dropped_port for needs in sites if needs.dropped_port is not None})


def apply_docker_rules(ports: Collection[int]) -> None:
    """Puts the rules for these ports first in the chain, and deletes our rules for other ports."""
    for version in kernel.versions():
        _replace_our_rules(version, [rule(port) for port in ports])


def in_force(ports: Collection[int]) -> bool:
    """Whether the rules are the first of their chain, over every IP version."""
    rules = [rule(port) for port in ports]
    return all(_chain_rules(kernel.filter_rules(version))[: len(rules)] == rules for version in kernel.versions())


def reinstate(_task: Task) -> Answer:
    """The step that runs before Docker starts: restores the rules that the host's sites require."""
    ports = ports_to_drop(record.read_sites().values())
    if not ports:
        return Answer("no published port is to be closed")
    apply_docker_rules(ports)
    return Answer(f"what others send to the published port {' and '.join(str(port) for port in ports)} is dropped")


def rule(port: int) -> str:
    """The rule as `iptables -S` lists it. It drops what Docker forwards from that port, but no replies."""
    return (
        f"-A {CHAIN} -p tcp -m conntrack --ctstate DNAT --ctorigdstport {port} --ctdir ORIGINAL "
        f'-m comment --comment "{COMMENT}" -j DROP'
    )


def refuse_unhooked(version: int) -> None:
    """Raises HostError if packets may be accepted before they reach the chain, or never reach it."""
    for line in kernel.filter_rules(version):
        if line == f"-A FORWARD -j {CHAIN}":
            return
        words = shlex.split(line)
        target = words[words.index("-j") + 1] if "-j" in words else ""
        if line.startswith("-A FORWARD ") and target not in HARMLESS:
            break
    raise RefusedError(
        f"Docker's chain {CHAIN} is not the first of {kernel.TOOL[version]}'s FORWARD chain, so a rule in it closes "
        "nothing; run `systemctl restart docker` on the host, which puts it there, and `pulumi up` again"
    )


def _chain_rules(listing: Sequence[str]) -> list[str]:
    return [line for line in listing if line.startswith(f"-A {CHAIN} ")]


def _our_rules(listing: Sequence[str]) -> list[str]:
    return [line for line in _chain_rules(listing) if f'--comment "{COMMENT}"' in line]


def _replace_our_rules(version: int, wanted: Sequence[str]) -> None:
    """Replaces our rules with these, first in the chain, in one transaction."""
    listing = kernel.filter_rules(version)
    ours, chain = _our_rules(listing), _chain_rules(listing)
    if ours == wanted and chain[: len(ours)] == ours:
        return
    there = f"-N {CHAIN}" in listing
    lines = [
        *([] if there else [f"-N {CHAIN}"]),
        *(f"-D{line[2:]}" for line in ours),
        *(f"-I{line[2:]}" for line in reversed(wanted)),
    ]
    # Nothing jumps to the chain and only our rules are in it, so we created it.
    if not wanted and ours == chain and not any(line.endswith(f" -j {CHAIN}") for line in listing):
        lines.append(f"-X {CHAIN}")
    kernel.restore(version, "\n".join(["*filter", *lines, "COMMIT\n"]))
