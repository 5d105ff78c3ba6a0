"""The steps `site-remove` and `firewall-remove`."""

from collections.abc import Mapping
from typing import Any

from agent.access import opening
from agent.certificates import steps as certificates
from agent.firewall import record, steps as firewall
from agent.firewall.request import owner_in
from agent.nginx import steps as nginx
from agent.site import checked_hostname, listed, text


def remove(request: Mapping[str, Any]) -> str:
    """Takes all that the steps have put there for a site off the host. What other sites need stays.

    So does the site itself if somebody else has put it here since: another stack, or the same one, to which this host
    is another of its hosts by now.
    """
    payload: Mapping[str, Any] = request["payload"]
    site = checked_hostname(text(payload, "site"))
    if _removed(site, owner_in(payload)):
        return f"{site} is not on this host"
    return f"{site} stays on this host, for another stack or under another name of the host"


def leave(request: Mapping[str, Any]) -> str:
    """Takes the stack's sites and the firewall's rules off the host.

    Sites that nginx has served are gone by then. An `up` that failed before that has left their certificates.
    """
    payload: Mapping[str, Any] = request["payload"]
    for site in listed(payload):
        _removed(text(site, "site"), owner_in(payload))
    return firewall.shut()


def _removed(site: str, owner: str | None) -> bool:
    """Takes a site off the host, unless somebody else has put it here since."""
    if record.taken_over(site, owner):
        return False
    opening.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site, owner)
    return True
