"""The step `site-remove`."""

from collections.abc import Mapping
from typing import Any

from agent.access import steps as access
from agent.certificates import steps as certificates
from agent.firewall import record
from agent.nginx import steps as nginx
from agent.site import checked_hostname, text


def remove(request: Mapping[str, Any]) -> str:
    """Takes all that the steps have put there for a site off the host. What other sites need stays."""
    site = checked_hostname(text(request["payload"], "site"))
    access.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site)
    return f"{site} is not on this host"
