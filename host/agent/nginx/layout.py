"""The paths of nginx's files on a host."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.errors import RefusedError
from agent.files import File, read, write, write_link

CONFIGURATION = Path("/etc/nginx")
# Files that our sites share
OWN = CONFIGURATION / "immich-access"
RANGES = OWN / "cloudflare-ranges.conf"
# The key and certificate that an old nginx shows for an unknown name
DUMMY_CERTIFICATE = OWN / "unknown-names.pem"

PREFIX = "immich-access-"
# Files that our sites share. These are not sites' names: they have no dot.
UNKNOWN_NAMES = "unknown-names"
NAMES_HASH = "names-hash"
SHARED = (UNKNOWN_NAMES, NAMES_HASH)


class Layout(NamedTuple):
    """The folders of the host's sites: Debian's pair, or the one of nginx.org's packages."""

    files: Path
    # The folder whose links enable the files; None if nginx reads the files directly
    links: Path | None

    def file(self, name: str) -> Path:
        """The file of a site, or one of SHARED."""
        return self.files / f"{PREFIX}{name}.conf"

    def link(self, name: str) -> dict[Path, Path | None]:
        """The link that enables the file, with its target; empty if the layout has no links."""
        return {} if self.links is None else {self.links / f"{PREFIX}{name}.conf": self.file(name)}


# Debian's and Ubuntu's packages, and nginx.org's
LAYOUTS = (
    Layout(CONFIGURATION / "sites-available", CONFIGURATION / "sites-enabled"),
    Layout(CONFIGURATION / "conf.d", None),
)


def layout() -> Layout:
    """The layout that nginx.conf includes; raises HostError if it includes neither."""
    try:
        main = (CONFIGURATION / "nginx.conf").read_text(errors="replace")
    except FileNotFoundError:
        raise RefusedError(f"there is no {CONFIGURATION}/nginx.conf; reinstall nginx") from None
    for candidate in LAYOUTS:
        if includes(main, candidate.links or candidate.files):
            return candidate
    raise RefusedError(
        f"{CONFIGURATION}/nginx.conf includes neither sites-enabled nor conf.d; add "
        f"`include {CONFIGURATION}/conf.d/*.conf;` to its http block"
    )


def includes(main: str, folder: Path) -> bool:
    """Whether the text of nginx.conf includes all files of a folder that end in .conf."""
    named = f"(?:{re.escape(str(folder.parent))}/)?{re.escape(folder.name)}"
    return re.search(rf"^[^#\n]*\binclude\s+[\"']?{named}/\*(?:\.conf)?[\"']?\s*;", main, re.MULTILINE) is not None


def enabled_sites() -> list[str]:
    """The names of our sites that nginx reads, sorted. Works without an installed nginx."""
    names = {
        path.name[len(PREFIX) : -len(".conf")]
        for candidate in LAYOUTS
        for path in (candidate.links or candidate.files).glob(f"{PREFIX}*.conf")
    }
    return sorted(names - {*SHARED})


def links_to_change(wanted: Mapping[Path, Path | None]) -> dict[Path, Path | None]:
    """The wanted links that differ on disk; None stands for a link to delete."""
    return {link: target for link, target in wanted.items() if _state(link) != target}


@contextmanager
def links_replaced(wanted: Mapping[Path, Path | None]) -> Generator[None, None, None]:
    """Replaces the links and runs the body, which verifies them; rolls back if either fails."""
    former = {link: _state(link) for link in wanted}
    try:
        for link, target in wanted.items():
            _replace(link, target)
        yield
    except BaseException:
        for link, state in former.items():
            _replace(link, state)
        raise


@contextmanager
def without_ours() -> Generator[None, None, None]:
    """Takes our files out of nginx's configuration for the body. nginx must not be reloaded meanwhile."""
    ours = [path for one in LAYOUTS for path in (one.links or one.files).glob(f"{PREFIX}*.conf")]
    former = {path: _state(path) for path in ours}
    try:
        for path in ours:
            _replace(path, None)
        yield
    finally:
        for path, state in former.items():
            _replace(path, state)


def _state(link: Path) -> Path | File | None:
    """A link's target, or the file if an editor has replaced the link with one."""
    return link.readlink() if link.is_symlink() else read(link)


def _replace(path: Path, state: Path | File | None) -> None:
    if isinstance(state, Path):
        write_link(path, state)
    else:
        write(path, state)
