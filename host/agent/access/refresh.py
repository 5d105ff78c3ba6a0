"""Fetches the keys by which Access signs."""

import http.client
import time
import urllib.error
import urllib.request

from agent.access import record
from agent.access.keys import LIMIT_BYTES, kept
from agent.errors import HostError
from agent.files import File, differing, write

TIMEOUT_SECONDS = 10.0
PAUSES_SECONDS = (0, 1, 3)


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Only the team's own domain may tell its keys."""

    def redirect_request(self, *_args: object, **_named: object) -> None:
        return None


def fetched(team_domain: str, pauses: tuple[float, ...] = PAUSES_SECONDS) -> File:
    """A team's keys as they are kept, over TLS with the host's own trust; raises HostError when they cannot be had."""
    address = f"https://{team_domain}/cdn-cgi/access/certs"
    opener = urllib.request.build_opener(_Unredirected)
    problem = ""
    for pause in pauses:
        time.sleep(pause)
        try:
            request = urllib.request.Request(address, headers={"User-Agent": "immich-access"})
            with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return kept(answer.read(LIMIT_BYTES + 1))
        except ValueError as error:
            raise HostError(f"{address} does not answer with keys ({error}); is teamDomain right?") from None
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            problem = str(error)
    raise HostError(f"cannot fetch {address}: {problem}")


def run() -> str:
    """Takes the published keys of all sites' teams over; the former ones stay where they cannot be had.

    Raises HostError for those, after all others have been seen to.
    """
    problems: list[str] = []
    for team in sorted(record.teams()):
        try:
            fresh = {record.keys_path(team): fetched(team)}
        except HostError as error:
            problems.append(str(error))
            continue
        # A site may have been taken out meanwhile.
        if team in record.teams():
            for path, file in differing(fresh).items():
                write(path, file)
    if problems:
        raise HostError(f"{'; '.join(problems)}; the former keys stay in use")
    return "the keys of Access are up to date"
