"""Works out whether visits get past the host's filter: by the kernel's present rules, and by ufw's once it is on."""

from collections.abc import Mapping, Sequence

from agent.firewall import kernel
from agent.firewall.bypass import frame_entries
from agent.firewall.chains import Entry, by_chain, find_acceptance, find_verdict as find_entry, parse_entries
from agent.firewall.rules import Rule, Visit, find_verdict
from agent.system import is_installed


class Passage:
    """Both filters, each read once."""

    def __init__(self, rules: Mapping[int, Sequence[Rule]]) -> None:
        """`rules` are ufw's, by IP version."""
        self._rules = rules
        self._present = {version: _Present(version) for version in kernel.versions()}
        self._frames = {version: _frame(version) for version in kernel.versions()}

    def now(self, visit: Visit) -> bool:
        """Whether the kernel's present rules let a visit in.

        Of the chains that are jumped to only what they accept counts, and nftables' own tables do not: what they deny
        is asked about in vain, and nothing is shut unasked.
        """
        return visit.version in self._present and self._present[visit.version].lets_in(visit)

    def later(self, visit: Visit, *, default: bool = False) -> bool:
        """Whether ufw's rules and files let a visit in, or the `default` where none of them decides."""
        entry = find_entry(self._frames.get(visit.version, []), visit)
        if entry is not None:
            return entry.target == "ACCEPT"
        rule = find_verdict(self._rules.get(visit.version, []), visit)
        return default if rule is None else rule.lets_in


class _Present:
    """The kernel's present rules of one IP version."""

    def __init__(self, version: int) -> None:
        tool = kernel.TOOL[version]
        self._filters = is_installed(tool)
        listing = kernel.filter_rules(version) if self._filters else []
        self._accepts = "-P INPUT DROP" not in listing
        self._chains = by_chain(parse_entries(listing, tool))

    def lets_in(self, visit: Visit) -> bool:
        if not self._filters:
            return True
        entry = find_entry(self._chains.get("INPUT", []), visit)
        if self._accepts if entry is None else entry.target == "ACCEPT":
            return True
        return find_acceptance(self._chains, "INPUT", visit) is not None


def _frame(version: int) -> Sequence[Entry]:
    return by_chain(frame_entries(version)).get(f"{kernel.PREFIX[version]}-before-input", [])
