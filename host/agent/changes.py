"""Whether this process has changed anything on the host, so that nobody is told otherwise."""

_noted: list[str] = []


def note(what: str) -> None:
    """Notes a change before it is made."""
    _noted.append(what)


def any_made() -> bool:
    """Whether anything has been changed, or may have been."""
    return bool(_noted)
