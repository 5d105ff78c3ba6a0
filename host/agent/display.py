"""Makes text safe to show: names of processes, files and containers are chosen by whoever made them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

# Characters of a name that are enough to know it by
LONGEST_NAME = 100


def displayable(text: str, keep: str = "") -> str:
    """The text without control characters, line breaks among them, and without what else is invisible or no text.

    A terminal would obey the former, and a reader be misled by the latter, as by a change of the writing direction.
    `keep` has characters to leave in all the same.
    """
    return "".join(one for one in text if one.isprintable() or one in keep)


def displayable_name(text: str) -> str:
    """The first `LONGEST_NAME` characters of such a text."""
    return displayable(text)[:LONGEST_NAME]


def displayable_facts(value: Any) -> Any:
    """The same for every text in a value of JSON, but with line breaks, which certificates have."""
    if isinstance(value, str):
        return displayable(value, keep="\n")
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return {displayable(name): displayable_facts(item) for name, item in fields.items()}
    if isinstance(value, Sequence):
        return [displayable_facts(item) for item in cast("Sequence[Any]", value)]
    return value
