"""What the firewall's records hold, and how its parts are written as fields of JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.files import File
from agent.firewall.openings import parse_opening
from agent.firewall.request import Needs, Request, parse_ranges
from agent.firewall.ufw import Files


class Change(NamedTuple):
    """The last change of the firewall. A new number makes the later steps run, which confirm the change."""

    number: int = 0
    # The request, to apply an undone change again; None before the first change
    request: Request | None = None
    ssh_ports: Sequence[int] = ()
    undone: bool = False


class Original(NamedTuple):
    """What ufw was before a change of ours."""

    # Whether ufw was off
    turned_on: bool
    # Whether its unit was enabled
    starts_at_boot: bool
    # Its defaults that we have changed, as the file had them; None for one that was missing
    settings: Mapping[str, str | None]
    # Of what its owner has in ufw's files
    fingerprint: str
    # Of the kernel's built-in chains, by IP version and chain
    policies: Mapping[str, Mapping[str, str]]


class Armed(NamedTuple):
    """A change that awaits confirmation, and the files that the undo restores."""

    seconds: int
    former: Files
    # When the change was made: the boot id, and the seconds since that boot
    boot: str
    at: float
    # What was known of ufw's original state then
    original: Original | None = None
    # The kernel's policies, if ufw was off; None otherwise
    policies: Mapping[str, Mapping[str, str]] | None = None
    # The sites that the host had then; None if the change is part of an upgrade, whose guard stays
    sites: Mapping[str, Needs] | None = None
    # Whether a connection that comes from the host itself confirms nothing
    needs_outside: bool = False


def file_from(item: dict[str, Any] | None) -> File | None:
    """A file of ufw's as it was; None for one that was missing."""
    return None if item is None else File(item["text"].encode(errors="surrogateescape"), item["mode"])


def original_from(fields: Mapping[str, Any]) -> Original:
    """What ufw was before."""
    return Original(
        fields["turnedOn"], fields["startsAtBoot"], fields["settings"], fields["fingerprint"], fields["policies"]
    )


def original_fields(original: Original) -> dict[str, object]:
    """The same as fields."""
    return {
        "turnedOn": original.turned_on,
        "startsAtBoot": original.starts_at_boot,
        "settings": dict(original.settings),
        "fingerprint": original.fingerprint,
        "policies": {version: dict(chains) for version, chains in original.policies.items()},
    }


def needs_from(fields: Mapping[str, Any]) -> Needs:
    """What a site needs of the firewall."""
    return Needs(
        fields["serves"],
        fields["sshPort"],
        fields["upstream"],
        fields["homeNetworks"],
        fields["owner"],
        fields["sshFrom"],
        [parse_opening(text) for text in fields["keepOpen"]],
        tuple(fields["originPorts"]),
    )


def needs_fields(needs: Needs) -> dict[str, object]:
    """The same as fields."""
    return {
        "serves": needs.serves,
        "sshPort": needs.ssh_port,
        "upstream": needs.upstream,
        "homeNetworks": list(needs.home_networks),
        "owner": needs.owner,
        "sshFrom": list(needs.ssh_from),
        "keepOpen": [opening.text for opening in needs.keep_open],
        "originPorts": list(needs.origin_ports),
    }


def request_from(fields: Mapping[str, Any]) -> Request:
    """The request of a change."""
    needs = {name: needs_from(one) for name, one in fields["sites"].items()}
    ranges = parse_ranges(fields["ranges"]["ipv4"], fields["ranges"]["ipv6"])
    return Request(fields["sshPort"], needs, ranges, fields["confirmSeconds"])


def request_fields(request: Request) -> dict[str, object]:
    """The same as fields."""
    return {
        "sshPort": request.ssh_port,
        "sites": {name: needs_fields(needs) for name, needs in request.needs.items()},
        "ranges": request.ranges._asdict(),
        "confirmSeconds": request.confirm_seconds,
    }
