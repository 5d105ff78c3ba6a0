"""Finds rules from which it cannot be told for sure who reaches SSH before a change."""

from collections.abc import Collection, Mapping, Sequence

from agent.firewall import kernel
from agent.firewall.ahead_nft import Ruleset
from agent.firewall.chains import Entry, by_chain, parse_entries
from agent.firewall.rules import ANYWHERE
from agent.listeners.tables import nft_ruleset
from agent.system import is_installed

_VERDICTS = ("ACCEPT", "DROP", "REJECT")


def find_unclear(ports: Collection[int]) -> str | None:
    """The first rule or chain that cannot be judged for one of these ports, for people; None if all can be."""
    for version in kernel.versions():
        tool = kernel.TOOL[version]
        listing = kernel.filter_rules(version) if is_installed(tool) else []
        chains = by_chain(parse_entries(listing, tool))
        for entry in chains.get("INPUT", []):
            if any(entry.rule.matches_port(port) for port in ports):
                found = _in_input(entry, chains, ports)
                if found is not None:
                    return f"`{found.rule.name.replace(' -D ', ' -A ', 1)}`"
    chain = Ruleset(nft_ruleset()).input_filter()
    return None if chain is None else f"nftables' {chain}"


def _in_input(entry: Entry, chains: Mapping[str, Sequence[Entry]], ports: Collection[int]) -> Entry | None:
    if entry.target in _VERDICTS:
        return entry if _is_narrowed(entry) else None
    return _behind(entry.target, chains, ports, set())


def _behind(chain: str, chains: Mapping[str, Sequence[Entry]], ports: Collection[int], seen: set[str]) -> Entry | None:
    """The first rule of a chain that is jumped to, or of one behind it, that cannot be judged.

    There only what it accepts is looked at. Bans of single networks, such as fail2ban's, change nothing for the others;
    what turns everyone away leaves those who were let in before.
    """
    if chain in seen:
        return None
    seen.add(chain)
    for entry in chains.get(chain, ()):
        if not any(entry.rule.matches_port(port) for port in ports):
            continue
        is_wide = entry.rule.source in ANYWHERE
        if entry.target == "ACCEPT":
            unclear = _is_narrowed(entry)
        elif entry.target in ("DROP", "REJECT"):
            unclear = is_wide
        else:
            unclear = entry.target == "RETURN" and not is_wide
        found = entry if unclear else _behind(entry.target, chains, ports, seen)
        if found is not None:
            return found
    return None


def _is_narrowed(entry: Entry) -> bool:
    """Whether it applies to some connections only, for other reasons than addresses, interface and port."""
    return bool(entry.others) or any(option in entry.rule.name for option in ("--tcp-flags", "--syn"))
