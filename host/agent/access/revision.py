"""Identifies the agent's version."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path


def of(modules: Mapping[str, str]) -> str:
    """The short hash of the agent's files, by their paths below host/."""
    return sha256("\0".join(f"{name}\0{text}" for name, text in sorted(modules.items())).encode()).hexdigest()[:16]


def of_disk() -> str:
    """The same hash of the installed copy that this file belongs to."""
    root = Path(__file__).resolve().parents[2]
    paths = (path for path in (root / "agent").rglob("*") if path.is_file())
    return of({str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths})
