"""Asks systemd about units."""

from typing import NamedTuple

from agent.system import run

# What `systemctl is-active` and `systemctl is-enabled` report as success.
_ACTIVE = ("active", "reloading", "refreshing")
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "transient")


class UnitState(NamedTuple):
    """What systemd says of a unit; of one that does not exist, that it does neither."""

    # Whether it runs
    is_active: bool
    # In systemctl's words, such as "enabled"; empty for a unit that has no file
    file_state: str

    @property
    def is_enabled(self) -> bool:
        """Whether it starts at boot, or is for others to start."""
        return self.file_state in _ENABLED


def unit_states(*units: str) -> dict[str, UnitState]:
    """The states of units by their names, asked together."""
    shown = run(["systemctl", "show", "-p", "ActiveState", "-p", "UnitFileState", *units]).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    states = [UnitState(block["ActiveState"] in _ACTIVE, block["UnitFileState"]) for block in blocks]
    return dict(zip(units, states, strict=True))
