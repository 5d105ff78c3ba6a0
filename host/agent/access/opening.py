"""Tells the verifier which Access application's tokens a site accepts: part of the step `nginx`, and of a removal."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.access import client, record
from agent.access.record import Application
from agent.access.refresh import fetch_keys
from agent.errors import HostError, RefusedError
from agent.files import File, files_replaced, files_to_change, read, write
from agent.nginx import service

if TYPE_CHECKING:
    from agent.payloads import NginxPayload


def parse_applications(payload: "NginxPayload") -> dict[str, Application]:
    """The application of each site that has one; raises RefusedError for an invalid one."""
    audiences = {site["hostname"]: site["audience"] for site in payload["sites"] if site["audience"] is not None}
    team = payload["teamDomain"]
    if team is None:
        if audiences:
            raise RefusedError(f"teamDomain is missing, whose tokens {' and '.join(audiences)} asks for")
        return {}
    return {name: Application(record.check_audience(audience), team) for name, audience in audiences.items()}


def files_for(wanted: Mapping[str, Application]) -> dict[Path, File | None]:
    """The verifier's files for these applications and their teams' keys; raises HostError if a download fails.

    Keys that are on the host already are left to the hourly refresh.
    """
    kept: dict[Path, File | None] = {record.site_path(site): one.file for site, one in wanted.items()}
    for team in {application.team_domain for application in wanted.values()}:
        keys = record.keys_path(team)
        try:
            kept[keys] = read(keys) or fetch_keys(team)
        except HostError as error:
            raise RefusedError(f"{error}") from None
    return kept


@contextmanager
def tokens_admitted(wanted: Mapping[str, Application], kept: Mapping[Path, File | None]) -> Generator[None, None, None]:
    """Makes the verifier, which must be running, accept only tokens of each site's application, then runs the body.

    Rolls back if the body raises.
    """
    with files_replaced(files_to_change(kept)):
        known = client.sites(service.worker_user()) if wanted else {}
        for site, application in wanted.items():
            found = known.get(site, {})
            if found.get("audience") != application.audience:
                raise HostError(f"the verifier does not know the Access application of {site} but {found}")
        yield
    record.prune()


def remove(site: str) -> None:
    """Makes the verifier refuse every token for the site."""
    write(record.site_path(site), None)
    record.prune()
