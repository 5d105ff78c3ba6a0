"""The input and output of a step."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Brought(NamedTuple):
    """The agent as a request brings it."""

    version: str
    # Its files, as load.py reads them
    archive: str


class Task(NamedTuple):
    """The input of a step."""

    # Matches the step's schema; None for the steps that the host runs by itself
    payload: Any
    # The agent's files as text, by their path below host/
    modules: Mapping[str, str]
    # The agent as the request has brought it; None if it was on the host
    brought: Brought | None = None


class Answer(NamedTuple):
    """The output of a step."""

    # Text for a person: one line or several
    says: str
    # For the program, built by agent.answer
    facts: Mapping[str, object] = {}
