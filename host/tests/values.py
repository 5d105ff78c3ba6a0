"""Whether the agent takes a value, for the values that the settings check as well.

values.json has the table that both test suites run. test/unit/values.test.ts writes further values to standard input,
`[[kind, value], …]`, and reads what this prints, `[true, false, …]`.
"""

import json
import sys
from collections.abc import Callable, Mapping

from agent.errors import HostError
from agent.firewall.request import checked_request
from agent.ranges import checked_network
from agent.site import checked_hostname, checked_upstream


def _port(value: object) -> None:
    ranges = {"ipv4": ["173.245.48.0/20"], "ipv6": ["2400:cb00::/32"]}
    site = {"site": "photos.example.com", "serves": "immich", "upstreamPort": None}
    checked_request({"sshPort": value, "confirmSeconds": 120, "sites": [site], "ranges": ranges})


def _range4(text: str) -> None:
    checked_network(text, 4)


def _range6(text: str) -> None:
    checked_network(text, 6)


JUDGES: Mapping[str, Callable[..., object]] = {
    "hostname": checked_hostname,
    "endpoint": checked_upstream,
    "range4": _range4,
    "range6": _range6,
    "port": _port,
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
