"""The steps `access` and `access-remove`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.access import client, record
from agent.access.record import Application
from agent.access.refresh import fetched
from agent.errors import HostError
from agent.files import File, differing, read, replaced, write
from agent.nginx import service
from agent.site import checked_hostname, text


def apply(request: Mapping[str, Any]) -> str:
    """Opens the site for the tokens of one Access application, and for nothing else.

    Keys of its team that are on the host already are left to the hourly refresh.
    """
    payload = request["payload"]
    site = checked_hostname(text(payload, "site"))
    team = checked_hostname(text(payload, "teamDomain"))
    application = Application(record.checked_audience(text(payload, "audience")), team)
    user = service.worker_user()
    client.status(user)
    with replaced(differing(_files(site, application))):
        known = client.sites(user).get(site, {})
        if known.get("audience") != application.audience:
            raise HostError(f"the verifier does not know the Access application of {site} but {known}")
    record.prune()
    return f"{site} opens for tokens of {team} for the application {application.audience[:16]}"


def remove(request: Mapping[str, Any]) -> str:
    """Shuts the site for everyone, as long as nginx asks about tokens."""
    site = checked_hostname(text(request["payload"], "site"))
    write(record.site_path(site), None)
    record.prune()
    return f"no token opens {site}"


def _files(site: str, application: Application) -> dict[Path, File | None]:
    keys = record.keys_path(application.team_domain)
    try:
        kept = read(keys) or fetched(application.team_domain)
    except HostError as error:
        raise HostError(f"{error}; nothing has been changed") from None
    return {keys: kept, record.site_path(site): application.file}
