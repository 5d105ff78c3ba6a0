"""Reads payloads as the agent does, as far as no host is needed: `python3 -m tests.check_payloads` in host/.

Standard input has a JSON list of cases: `schema`, the text of payload.schema.json, and `payloads`, pairs of a step and
what it is told. Prints a JSON list with null for each case that the agent can read, else why it cannot.
"""

import json
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

from agent import contract, removal, survey
from agent.access import opening
from agent.certificates import steps as certificates
from agent.errors import HostError, RefusedError
from agent.firewall import steps as firewall
from agent.firewall.request import parse_needs, parse_request, request_for
from agent.nginx import steps as nginx
from agent.ranges import Ranges
from agent.task import Answer, Task

RANGES = Ranges(["173.245.48.0/20"], ["2400:cb00::/32"])


def _certificates(payload: Any) -> None:
    for site in payload["sites"]:
        _certificate_set(site)


def _certificate_set(site: Any) -> None:
    try:
        certificates.parse_set(site)
    except RefusedError as error:
        # The tests' texts are no certificates. By then all fields have been read.
        if "PEM" not in str(error):
            raise


def _nginx(payload: Any) -> list[object]:
    sites = [nginx.parse_site(site, site["audience"] is not None, [payload["originPort"]]) for site in payload["sites"]]
    return [payload["owner"], opening.parse_applications(payload), sites]


def _doctor(payload: Any) -> list[object]:
    request_for(payload, parse_needs(payload, owner=None), RANGES)
    return [
        (nginx.parse_site(site, site["tokenCheck"], [payload["originPort"]]), site["audience"])
        for site in payload["sites"]
    ]


def _removal(step: Callable[[Task], Answer]) -> Callable[[Any], object]:
    def read(payload: Any) -> object:
        with mock.patch.object(removal, "_remove_unless_taken_over"), mock.patch.object(firewall, "close_firewall"):
            return step(Task(payload, {}))

    return read


def _former_port(payload: Any) -> object:
    with mock.patch.object(removal.record, "read_sites", return_value={}):
        return removal.close_former_port(Task(payload, {}))


def _survey(payload: Any) -> object:
    names = (
        "ssh_ports",
        "own_networks",
        "_immich",
        "outside_addresses",
        "outside_interfaces",
        "_openings",
        "_closing",
        "find_obstacles",
        "is_installed",
        "foreign_sites",
        "service",
    )
    patches = [mock.patch.object(survey, name, return_value=[]) for name in names]
    patches.append(mock.patch.object(survey, "find_holder", return_value=None))
    patches.append(mock.patch.object(survey, "look_before_first", return_value=mock.Mock(ways=[], unclear=[])))
    for patch in patches:
        patch.start()
    try:
        return survey.survey(Task(payload, {})).facts and payload["hostname"]
    finally:
        mock.patch.stopall()


READERS: dict[str, Callable[[Any], object]] = {
    "firewall": parse_request,
    "firewall-remove": _removal(removal.remove_stack),
    "certificates": _certificates,
    "nginx": _nginx,
    "site-remove": _removal(removal.remove_site),
    "former-port-close": _former_port,
    "doctor": _doctor,
    "survey": _survey,
}


def problem(case: Any) -> str | None:
    """Why the agent cannot read the payloads of a case."""
    try:
        for step, payload in case["payloads"]:
            request = {"payload": payload, "modules": {contract.SCHEMA: case["schema"]}}
            READERS[step](contract.payload_of(step, request))
    except (HostError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    print(json.dumps([problem(case) for case in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
