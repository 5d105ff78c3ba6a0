"""The step `access`, and what becomes of it when a site goes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.access import client, record
from agent.access.record import Application
from agent.access.refresh import fetched
from agent.errors import HostError
from agent.files import File, differing, read, replaced, write
from agent.nginx import service
from agent.site import checked_hostname, listed, text


def apply(request: Mapping[str, Any]) -> str:
    """Opens each site for the tokens of its own Access application, and for nothing else.

    Keys of a team that are on the host already are left to the hourly refresh.
    """
    payload = request["payload"]
    team = checked_hostname(text(payload, "teamDomain"))
    applications = {
        text(site, "site"): Application(record.checked_audience(text(site, "audience")), team)
        for site in listed(payload)
    }
    user = service.worker_user()
    client.status(user)
    with replaced(differing(_files(team, applications))):
        known = client.sites(user)
        for site, application in applications.items():
            found = known.get(site, {})
            if found.get("audience") != application.audience:
                raise HostError(f"the verifier does not know the Access application of {site} but {found}")
    record.prune()
    return "\n".join(
        f"{site} opens for tokens of {team} for the application {application.audience[:16]}"
        for site, application in applications.items()
    )


def remove(site: str) -> None:
    """Shuts the site for everyone, as long as nginx asks about tokens."""
    write(record.site_path(site), None)
    record.prune()


def _files(team: str, applications: Mapping[str, Application]) -> dict[Path, File | None]:
    keys = record.keys_path(team)
    try:
        kept = read(keys) or fetched(team)
    except HostError as error:
        raise HostError(f"{error}; nothing has been changed") from None
    return {keys: kept, **{record.site_path(site): one.file for site, one in applications.items()}}
