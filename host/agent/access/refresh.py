"""Downloads Access's signing keys."""

from agent import fetch
from agent.access import record
from agent.access.keys import LIMIT_BYTES, keys_file
from agent.errors import HostError
from agent.files import File, files_to_change, write

TIMEOUT_SECONDS = 10.0
PAUSES_SECONDS = (0, 1, 3)


def fetch_keys(team_domain: str) -> File:
    """Downloads a team's keys over TLS and returns their file; raises HostError on failure."""
    address = f"https://{team_domain}/cdn-cgi/access/certs"
    # Follow no redirects: only the team's own domain may publish its keys.
    body = fetch.download(address, LIMIT_BYTES, TIMEOUT_SECONDS, PAUSES_SECONDS, redirections=False)
    try:
        return keys_file(body)
    except ValueError as error:
        raise HostError(f"{address} does not answer with keys ({error}); is teamDomain right?") from None


def run() -> str:
    """Refreshes the keys of all sites' teams. If a download fails, the former keys stay.

    Raises HostError for the failures after trying every team.
    """
    problems: list[str] = []
    for team in sorted(record.teams()):
        try:
            fresh = {record.keys_path(team): fetch_keys(team)}
        except HostError as error:
            problems.append(str(error))
            continue
        # A site may have been removed meanwhile.
        if team in record.teams():
            for path, file in files_to_change(fresh).items():
                write(path, file)
    if problems:
        raise HostError(f"{'; '.join(problems)}; the former keys stay in use")
    return "the keys of Access are up to date"
