"""The steps `site-remove` and `firewall-remove`."""

from typing import TYPE_CHECKING

from agent import answer
from agent.access import opening
from agent.certificates import steps as certificates
from agent.firewall import record, steps as firewall
from agent.nginx import steps as nginx
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import FirewallRemovePayload, SiteRemovePayload


def remove_site(task: Task) -> Answer:
    """Takes all that the steps have put there for a site off the host. What other sites need stays.

    So does the site itself if somebody else has put it here since: another stack, or the same one, to which this host
    is another of its hosts by now.
    """
    payload: SiteRemovePayload = task.payload
    site = payload["hostname"]
    removed = _remove_unless_taken_over(site, payload["owner"])
    stays = f"{site} stays on this host, for another stack or under another name of the host"
    return Answer(f"{site} is not on this host" if removed else stays, answer.site_removal(removed))


def remove_stack(task: Task) -> Answer:
    """Takes the stack's sites and the firewall's rules off the host.

    Sites that nginx has served are gone by then. An `up` that failed before that has left their certificates.
    """
    payload: FirewallRemovePayload = task.payload
    for site in payload["sites"]:
        _remove_unless_taken_over(site["hostname"], payload["owner"])
    return firewall.close_firewall()


def _remove_unless_taken_over(site: str, owner: str) -> bool:
    """Takes a site off the host, unless somebody else has put it here since."""
    if record.is_taken_over(site, owner):
        return False
    opening.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site, owner)
    return True
