"""What a step is asked, and what it has to say."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Task(NamedTuple):
    """What a step is asked."""

    # Matches the step's schema; None for the steps that the host runs by itself
    payload: Any
    # The agent's files as text, by their path below host/
    modules: Mapping[str, str]


class Answer(NamedTuple):
    """What a step has to say."""

    # One line for a person, or several
    says: str
    # For the program: what agent.answer makes
    facts: Mapping[str, object] = {}
