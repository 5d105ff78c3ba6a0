"""Removes the rules in Docker's chain DOCKER-USER, and their unit, with which version 0.1.0 closed published ports."""

from agent.files import write
from agent.firewall import kernel
from agent.firewall.installation import UNITS
from agent.system import is_installed, run

CHAIN = "DOCKER-USER"
COMMENT = "immich-access: published port"
UNIT = "immich-access-docker-user.service"


def is_there() -> bool:
    """Whether version 0.1.0 has installed the unit, in use or not."""
    return (UNITS / UNIT).exists()


def remove() -> None:
    """Removes rules and unit, as far as they exist. The guard must be in force."""
    if is_there():
        # Disable, never stop: Docker requires the unit and would stop with it.
        run(["systemctl", "disable", UNIT])
    for version in kernel.versions():
        if is_installed(kernel.TOOL[version]):
            _remove_rules(version)
    if is_there():
        write(UNITS / UNIT, None)
        run(["systemctl", "daemon-reload"])


def _remove_rules(version: int) -> None:
    listing = kernel.filter_rules(version)
    chain = [line for line in listing if line.startswith(f"-A {CHAIN} ")]
    ours = [line for line in chain if f'--comment "{COMMENT}"' in line]
    if not ours:
        return
    lines = [f"-D{line[2:]}" for line in ours]
    # Nothing jumps to the chain and only our rules are in it, so we created it.
    if ours == chain and not any(line.endswith(f" -j {CHAIN}") for line in listing):
        lines.append(f"-X {CHAIN}")
    kernel.restore(version, "\n".join(["*filter", *lines, "COMMIT\n"]))
