"""Tracks whether this process has changed the host.

Error texts never claim otherwise, and what it has read of the host before is read anew.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_noted: list[str] = []
_forget: list[Callable[[], None]] = []


def note(what: str) -> None:
    """Records a change. Call it before making the change."""
    _noted.append(what)
    read_anew()


def read_anew() -> None:
    """Has what has been read of the host read anew: others may have changed it meanwhile."""
    for forget in _forget:
        forget()


def any_made() -> bool:
    """Whether anything has changed, or may have."""
    return bool(_noted)


def until_changed(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Has a function that reads the host remember its results until this process changes anything, or `read_anew`."""
    remembered = functools.cache(function)
    _forget.append(remembered.cache_clear)

    @functools.wraps(function)
    def call(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return remembered(*arguments, **named)

    return call
