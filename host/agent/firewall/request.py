"""What the firewall step is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from agent.errors import HostError
from agent.ranges import Ranges, checked_ranges
from agent.site import IMMICH, SHARES, choice, listed, text

# What to do with an upstream that Docker publishes to everyone.
REFUSE, DROP = "refuse", "drop"

# Shorter leaves no time for a connection, longer leaves an owner outside for too long.
CONFIRM_SECONDS = range(2, 3601)


class Needs(NamedTuple):
    """What one site asks of the firewall, which all sites of the host share."""

    ssh_port: int
    # Of what nginx hands the site's requests to; None where that runs on another host.
    upstream_port: int | None
    # The port whose connections from elsewhere Docker's chain DOCKER-USER shall drop, or None.
    dropped_port: int | None
    # Which stack, and which host of it, has put the site here last; None where that is not known.
    owner: str | None = None


class Request(NamedTuple):
    """A checked payload."""

    ssh_port: int
    # By site
    needs: Mapping[str, Needs]
    ranges: Ranges
    confirm_seconds: int


def checked_request(payload: Mapping[str, Any]) -> Request:
    """The payload of the step; raises HostError for anything in it that cannot be applied."""
    ssh_port = _port(payload.get("sshPort"), "sshPort")
    published = payload.get("dockerPublishedPort", REFUSE)
    seconds = payload.get("confirmSeconds")
    if type(seconds) is not int or seconds not in CONFIRM_SECONDS:
        raise HostError(f"confirmSeconds is {seconds!r}, not 2 to 3600; nothing has been changed")
    if published not in (REFUSE, DROP):
        raise HostError(f"dockerPublishedPort is {published!r}, not {REFUSE} or {DROP}; nothing has been changed")
    owner = owner_in(payload)
    needs: dict[str, Needs] = {}
    for site in listed(payload):
        port = _upstream(site)[1]
        needs[text(site, "site")] = Needs(ssh_port, port, port if published == DROP else None, owner)
    return Request(ssh_port, needs, checked_payload_ranges(payload.get("ranges")), seconds)


def upstreams(payload: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What sites have on this host itself: what each serves, and on which port, once each."""
    found = dict.fromkeys(_upstream(site) for site in listed(payload))
    return [(serves, port) for serves, port in found if port is not None]


def owner_in(payload: Mapping[str, Any]) -> str | None:
    """Who asks."""
    return None if payload.get("owner") is None else text(payload, "owner")


def checked_payload_ranges(value: object) -> Ranges:
    """Ranges as they travel: {"ipv4": […], "ipv6": […]}."""
    lists = cast("dict[str, object]", value) if isinstance(value, dict) else dict[str, object]()
    return Ranges(checked_ranges(_texts(lists.get("ipv4")), 4), checked_ranges(_texts(lists.get("ipv6")), 6))


def _texts(value: object) -> Sequence[str]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [str(item) for item in items]


def _upstream(site: Mapping[str, Any]) -> tuple[str, int | None]:
    port = site.get("upstreamPort")
    return choice(site, "serves", (IMMICH, SHARES)), None if port is None else _port(port, "upstreamPort")


def _port(value: object, name: str) -> int:
    if type(value) is not int or not 1 <= value <= 65535:
        raise HostError(f"{name} is {value!r}, which is no port; nothing has been changed")
    return value
