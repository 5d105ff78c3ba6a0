"""Where nginx's files lie on a host."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.errors import RefusedError
from agent.files import File, read, write, write_link

CONFIGURATION = Path("/etc/nginx")
# What the sites of ours share
OWN = CONFIGURATION / "immich-access"
RANGES = OWN / "cloudflare-ranges.conf"
# Key and certificate that an old nginx shows under an unknown name
DUMMY_CERTIFICATE = OWN / "unknown-names.pem"

PREFIX = "immich-access-"
# Without a dot, which the name of every site has
UNKNOWN_NAMES = "unknown-names"


class Layout(NamedTuple):
    """The folders of the host's sites: Debian's pair, or the one of nginx.org's packages."""

    files: Path
    # Folder whose links enable the files; None where the files themselves are read
    links: Path | None

    def file(self, name: str) -> Path:
        """The file of a site or of the server for unknown names."""
        return self.files / f"{PREFIX}{name}.conf"

    def link(self, name: str) -> dict[Path, Path | None]:
        """The link that enables it, with its target; empty where there are no links."""
        return {} if self.links is None else {self.links / f"{PREFIX}{name}.conf": self.file(name)}


# Debian's and Ubuntu's packages, and nginx.org's
LAYOUTS = (
    Layout(CONFIGURATION / "sites-available", CONFIGURATION / "sites-enabled"),
    Layout(CONFIGURATION / "conf.d", None),
)


def layout() -> Layout:
    """The layout by what nginx.conf includes; raises HostError if it includes neither folder."""
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
    """Names of our sites that nginx reads, in order, whatever else is left of nginx."""
    names = {
        path.name[len(PREFIX) : -len(".conf")]
        for candidate in LAYOUTS
        for path in (candidate.links or candidate.files).glob(f"{PREFIX}*.conf")
    }
    return sorted(names - {UNKNOWN_NAMES})


def links_to_change(wanted: Mapping[Path, Path | None]) -> dict[Path, Path | None]:
    """Those of the wanted links that are not as they should be; None means that there shall be none."""
    return {link: target for link, target in wanted.items() if _state(link) != target}


@contextmanager
def links_replaced(wanted: Mapping[Path, Path | None]) -> Generator[None, None, None]:
    """Puts the links in place for the body to prove; if it raises, what was there comes back."""
    former = {link: _state(link) for link in wanted}
    try:
        for link, target in wanted.items():
            _replace(link, target)
        yield
    except BaseException:
        for link, state in former.items():
            _replace(link, state)
        raise


def _state(link: Path) -> Path | File | None:
    """A link's target, or the file that an editor has put in the link's place."""
    return link.readlink() if link.is_symlink() else read(link)


def _replace(path: Path, state: Path | File | None) -> None:
    if isinstance(state, Path):
        write_link(path, state)
    else:
        write(path, state)
