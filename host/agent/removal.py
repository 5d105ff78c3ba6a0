"""The steps `site-remove`, `firewall-remove` and `former-port-close`."""

from typing import TYPE_CHECKING

from agent import answer
from agent.access import opening
from agent.certificates import steps as certificates
from agent.files import write
from agent.firewall import record, steps as firewall
from agent.firewall.request import served_ports
from agent.nginx import default_site, former_port, steps as nginx
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import FirewallRemovePayload, FormerPortClosePayload, SiteRemovePayload


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


def close_former_port(task: Task) -> Answer:
    """Closes the ports on which the stack's sites were served before, now that Cloudflare comes to the present one."""
    payload: FormerPortClosePayload = task.payload
    sites = record.read_sites()
    moved = {
        name: sites[name]._replace(origin_ports=sites[name].origin_ports[:1])
        for name in record.sites_of(payload["owner"])
    }
    kept = {**sites, **moved}
    closed = sorted({*served_ports(sites.values())} - {*served_ports(kept.values())})
    if kept != sites:
        former_port.leave({name: needs.origin_ports for name, needs in kept.items()})
        firewall.keep_only(kept)
        # Last: until then another run finds what is left to do.
        for path, file in record.sites_file(kept).items():
            write(path, file)
    words = " and ".join(str(port) for port in closed)
    return Answer(
        f"port {words} is closed" if closed else "no former port was open", answer.former_port_closing(closed)
    )


def _remove_unless_taken_over(site: str, owner: str) -> bool:
    """Removes a site from the host, unless another owner has deployed it since."""
    if record.is_taken_over(site, owner):
        return False
    opening.remove(site)
    nginx.remove(site)
    certificates.remove(site)
    record.forget_site(site, owner)
    return True
