"""The verifier's files in /var/lib/immich-access/access/: readable by everyone, writable only by root."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from agent.access.encoding import parse_json_object
from agent.errors import HostError, RefusedError
from agent.files import File, read

FOLDER = Path("/var/lib/immich-access/access")
SITES = FOLDER / "sites"
KEYS = FOLDER / "keys"

# Access uses 64 hexadecimal digits, but does not document the form.
AUDIENCE = re.compile(r"[0-9A-Za-z._-]{1,256}")


class Application(NamedTuple):
    """The Access application whose tokens a site accepts."""

    audience: str
    team_domain: str

    @property
    def issuer(self) -> str:
        """The `iss` claim of its tokens."""
        return f"https://{self.team_domain}"

    @property
    def file(self) -> File:
        """The file that stores it."""
        fields = {"version": 2, "audience": self.audience, "teamDomain": self.team_domain}
        return File(f"{json.dumps(fields)}\n".encode())


def parse_application(body: bytes) -> Application:
    """Parses the file of an application; raises ValueError for anything else."""
    kept = parse_json_object(body)
    audience, team_domain = kept.get("audience"), kept.get("teamDomain")
    if not isinstance(audience, str) or not isinstance(team_domain, str):
        raise ValueError("it lacks audience or teamDomain")
    return Application(audience, team_domain)


@lru_cache(maxsize=64)
def site_path(site: str) -> Path:
    """The file of a site's application. The caller must have validated the name."""
    return SITES / f"{site}.json"


@lru_cache(maxsize=64)
def keys_path(team_domain: str) -> Path:
    """The file of a team's keys. The caller must have validated the name."""
    return KEYS / f"{team_domain}.json"


def check_audience(audience: str) -> str:
    """Returns the audience tag; raises HostError if it is invalid."""
    if not AUDIENCE.fullmatch(audience):
        raise RefusedError(f"{audience[:80]!r} is no audience tag of an Access application")
    return audience


def teams() -> set[str]:
    """The team domains of all sites; raises HostError for a damaged file."""
    return {application.team_domain for application in map(_application, SITES.glob("*.json")) if application}


def _application(path: Path) -> Application | None:
    """The application in a file, or None if the site has just been removed."""
    file = read(path)
    try:
        return None if file is None else parse_application(file.content)
    except ValueError as error:
        raise HostError(f"{path} is damaged ({error}); raise hostRevision and run `pulumi up`") from None


def prune() -> None:
    """Removes keys that no site needs, and empty folders."""
    needed = {keys_path(team) for team in teams()}
    for path in KEYS.glob("*.json"):
        if path not in needed:
            path.unlink()
    for folder in (SITES, KEYS, FOLDER):
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
