"""Tells ufw's own chains from others', and takes them away."""

import re
from collections.abc import Sequence

# ufw's own chains, behind the prefix: ufw-framework(8).
OWN_CHAINS = (
    "(?:before|after|user)(?:-logging)?-(?:input|output|forward)|(?:reject|track|skip-to-policy)-(?:input|output|forward)"
    "|user-limit(?:-accept)?|logging-(?:deny|allow)|not-local"
)


def ufw_chains(listing: Sequence[str], prefix: str) -> list[str]:
    """The chains of ufw's own among the rules of an IP version; others may have some that begin with its name.

    `prefix` is `ufw` or `ufw6`.
    """
    own = rf"-N ({prefix}-(?:{OWN_CHAINS}))"
    return [found[1] for line in listing if (found := re.fullmatch(own, line))]


def chain_removal(listing: Sequence[str], prefix: str, policies: Sequence[str] = ()) -> str:
    """The transaction that takes ufw's chains away, and sets policies if there are any.

    A chain to which a rule of others leads is emptied, and stays; ufw's start fills it again.
    """
    hooks = [line for line in listing if re.match(rf"-A (INPUT|OUTPUT|FORWARD) -j {prefix}-", line)]
    chains = ufw_chains(listing, prefix)
    leads = [found for line in listing if line not in hooks and (found := re.match(r"-A (\S+) .*-[jg] (\S+)", line))]
    foreign = {found[2] for found in leads if found[1] not in chains}
    return "\n".join(
        [
            "*filter",
            *policies,
            *(f"-D{line[2:]}" for line in hooks),
            *(f"-F {chain}" for chain in chains),
            *(f"-X {chain}" for chain in chains if chain not in foreign),
            "COMMIT\n",
        ]
    )
