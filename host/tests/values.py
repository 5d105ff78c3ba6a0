"""Whether the agent accepts a value, for the values that the settings check as well.

values.json has the table that both test suites run. test/unit/values.test.ts writes further values to standard input,
`[[kind, value], …]`, and reads what this prints, `[true, false, …]`.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent import contract
from agent.errors import HostError, RefusedError
from agent.firewall.openings import parse_network as parse_network_of_rule, parse_opening
from agent.ranges import parse_home_network, parse_network
from agent.site import check_upstream

STEPS: Any = json.loads((Path(__file__).parent.parent / contract.SCHEMA).read_text())["steps"]


def _field(step: str, name: str) -> Callable[[object], None]:
    """Judges a value as a field of a step's payload."""

    def judge(value: object) -> None:
        found = contract.problems(value, STEPS[step]["properties"][name], name)
        if found:
            raise RefusedError(found[0])

    return judge


def _range4(text: str) -> None:
    parse_network(text, 4)


def _range6(text: str) -> None:
    parse_network(text, 6)


JUDGES: Mapping[str, Callable[..., object]] = {
    "hostname": _field("site-remove", "hostname"),
    "endpoint": check_upstream,
    "range4": _range4,
    "range6": _range6,
    "home": parse_home_network,
    "network": parse_network_of_rule,
    "opening": parse_opening,
    "port": _field("firewall", "sshPort"),
}


def accepts(kind: str, value: object) -> bool:
    """Whether the agent takes the value; whatever else than a refusal comes of it is an error of the agent."""
    try:
        JUDGES[kind](value)
    except HostError:
        return False
    return True


if __name__ == "__main__":
    json.dump([accepts(kind, value) for kind, value in json.load(sys.stdin)], sys.stdout)
