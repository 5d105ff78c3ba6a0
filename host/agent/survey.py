"""The step `survey`: examines a host before the first deployment, to propose settings. It is read-only.

Its answer has the host's own `addresses`; the private `networks` that it is in; where Immich answers (`immich`); which
rules admit strangers (`openings`, each with the command that deletes it); and other `sites` of nginx with the same
host name.
"""

import contextlib
import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from agent import answer
from agent.errors import HostError
from agent.firewall import closing, ufw
from agent.firewall.guard.home import own_networks
from agent.firewall.openings import Opening, parse_opening
from agent.firewall.plan import outside_interfaces
from agent.firewall.rules import HTTPS_PORT, find_openings
from agent.firewall.ssh_access import SshPorts, ssh_ports
from agent.immich import require_immich
from agent.listeners.publications import DOCKER_PROXY, published_ports
from agent.listeners.sockets import listeners
from agent.nginx import service
from agent.nginx.defaults import foreign_sites
from agent.system import is_installed, run
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import SurveyPayload

IMMICH_PORT = 2283
# Inside its container; releases before 1.118 listened on the second one.
CONTAINER_PORTS = (IMMICH_PORT, 3001)


def survey(task: Task) -> Answer:
    """Examines the host. Raises HostError where the settings cannot be right."""
    payload: SurveyPayload = task.payload
    ssh = ssh_ports(payload["sshPort"])
    kept = [parse_opening(text) for text in payload["keepOpen"]]
    immich = _immich()
    ports = [int(endpoint.rpartition(":")[2]) for endpoint in immich]
    facts = answer.survey(
        addresses=_addresses(),
        networks=own_networks(),
        immich=immich,
        openings=_openings({HTTPS_PORT, *ports}),
        sites=foreign_sites(service.configuration(), payload["hostname"]) if is_installed("nginx") else [],
        closing=_closing(ssh, ports, kept),
    )
    return Answer("", facts)


def _closing(ssh: SshPorts, immich: Collection[int], kept: Sequence[Opening]) -> list[dict[str, object]]:
    """What the firewall would shut."""
    networks = closing.host_networks()
    return [
        answer.closing_service(
            f"{one.port}/{one.protocol}",
            one.holder,
            one.reached_by,
            closing.home_openings(one, networks),
        )
        for one in closing.services_to_shut(ssh.all, immich, kept, networks)
    ]


def _addresses() -> list[str]:
    """The host's permanent addresses on the interfaces that lead to the internet."""
    shown = run(["ip", "-j", "address", "show", "scope", "global"]).stdout
    return [
        address["local"]
        for interface in json.loads(shown)
        if interface.get("ifname") in outside_interfaces()
        for address in interface.get("addr_info", [])
        # For an address of another scope `ip` prints an empty object.
        if "local" in address and not address.get("temporary") and not address.get("deprecated")
    ]


def _immich() -> list[str]:
    """The endpoints where Immich answers, the usual port first. Tries only ports that could be Immich's."""
    listening = [listener for listener in listeners() if listener.address != "127.0.0.53"]
    proxied = {listener.port for listener in listening if DOCKER_PROXY in listener.programs}
    passed_on = {item.port for item in published_ports() if item.target_port in CONTAINER_PORTS}
    found: list[str] = []
    for port in sorted({IMMICH_PORT, *proxied, *passed_on}, key=lambda port: (port != IMMICH_PORT, port)):
        own = [listener.address for listener in listening if listener.port == port and not listener.is_everywhere]
        for address in dict.fromkeys(["127.0.0.1", *own]):
            endpoint = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            with contextlib.suppress(HostError):
                require_immich(endpoint)
                found.append(endpoint)
                break
    return found


def _openings(ports: Collection[int]) -> list[dict[str, object]]:
    """ufw's rules through which strangers would reach one of the ports, once each."""
    if not is_installed("ufw") or any(file is None for file in ufw.current().values()):
        return []
    outside = outside_interfaces()
    with ufw.ufw_on_copy([]) as view:
        found = {
            (rule.name, port): None
            for version in view.versions()
            for port in sorted(ports)
            for rule in find_openings(view.rules(version), port, outside)
        }
    return [answer.opening(rule, port, f"ufw delete {rule}") for rule, port in found]
