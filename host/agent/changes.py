"""Tracks whether this process has changed the host, so that error texts never claim otherwise."""

_noted: list[str] = []


def note(what: str) -> None:
    """Records a change. Call it before making the change."""
    _noted.append(what)


def any_made() -> bool:
    """Whether anything has changed, or may have."""
    return bool(_noted)
