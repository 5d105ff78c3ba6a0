"""The step `site-remove`."""

from collections.abc import Mapping
from typing import Any

from agent.access import opening
from agent.certificates import steps as certificates
from agent.firewall import record
from agent.firewall.request import owner_in
from agent.nginx import steps as nginx
from agent.site import checked_hostname, text


def remove(request: Mapping[str, Any]) -> str:
    """Takes all that the steps have put there for a site off the host. What other sites need stays.

    So does the site itself if somebody else has put it here since: another stack, or the same one, to which this host
    is another of its hosts by now.
    """
    payload: Mapping[str, Any] = request["payload"]
    site, owner = checked_hostname(text(payload, "site")), owner_in(payload)
    if record.taken_over(site, owner):
        return f"{site} stays on this host, for another stack or under another name of the host"
    opening.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site, owner)
    return f"{site} is not on this host"
