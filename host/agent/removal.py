"""The steps `site-remove` and `firewall-remove`."""

from typing import TYPE_CHECKING

from agent import answer
from agent.access import opening
from agent.certificates import steps as certificates
from agent.firewall import record, steps as firewall
from agent.nginx import default_site, steps as nginx
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import FirewallRemovePayload, SiteRemovePayload


def remove_site(task: Task) -> Answer:
    """Removes everything that the steps installed for a site. What other sites need stays.

    The site itself stays if another owner has deployed it since: another stack, or this one under another name of the
    host.
    """
    payload: SiteRemovePayload = task.payload
    site = payload["hostname"]
    removed = _remove_unless_taken_over(site, payload["owner"])
    stays = f"{site} stays on this host, for another stack or under another name of the host"
    return Answer(f"{site} is not on this host" if removed else stays, answer.site_removal(removed))


def remove_stack(task: Task) -> Answer:
    """Removes the stack's sites and the firewall's rules from the host.

    Sites that nginx served are gone by then. An `up` that failed before nginx has left certificates.
    """
    payload: FirewallRemovePayload = task.payload
    for site in payload["sites"]:
        _remove_unless_taken_over(site["hostname"], payload["owner"])
    if not record.read_sites():
        default_site.give_back()
    return firewall.close_firewall()


def _remove_unless_taken_over(site: str, owner: str) -> bool:
    """Removes a site from the host, unless another owner has deployed it since."""
    if record.is_taken_over(site, owner):
        return False
    opening.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site, owner)
    return True
