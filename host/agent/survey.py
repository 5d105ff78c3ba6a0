"""The step `survey`: examines a host before the first deployment, to propose settings. It is read-only.

Its answer has the host's own `addresses`; where Immich answers (`immich`); how Docker publishes it to everyone
(`published`); which rules admit strangers (`openings`, each with the command that deletes it); and other `sites` of
nginx with the same host name.
"""

import contextlib
import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from agent import answer
from agent.errors import HostError
from agent.firewall import ufw
from agent.firewall.connection import listeners
from agent.firewall.docker import publication_problem, published_ports
from agent.firewall.plan import outside_interfaces, ssh_ports
from agent.firewall.rules import HTTPS_PORT, find_openings
from agent.immich import require_immich
from agent.nginx import service
from agent.nginx.defaults import foreign_sites
from agent.site import IMMICH
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
    ssh_ports(payload["sshPort"])
    immich = _immich()
    ports = [int(endpoint.rpartition(":")[2]) for endpoint in immich]
    problems = [problem for port in ports if (problem := publication_problem(IMMICH, port, [])) is not None]
    facts = answer.survey(
        addresses=_addresses(),
        immich=immich,
        publications=[answer.publication(one.problem, one.remedy) for one in problems],
        openings=_openings({HTTPS_PORT, *ports}),
        sites=foreign_sites(service.configuration(), payload["hostname"]) if is_installed("nginx") else [],
    )
    return Answer("", facts)


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
    proxied = {listener.port for listener in listening if "docker-proxy" in listener.programs}
    passed_on = {item.port for item in published_ports() if item.container_port in CONTAINER_PORTS}
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
