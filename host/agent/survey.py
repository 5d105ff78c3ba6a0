"""The step `survey`: examines a host before the first deployment, to propose settings. It is read-only.

Its answer has the host's own `addresses`; the private `networks` that it is in; where Immich answers (`immich`); which
rules admit strangers (`openings`, each with the command that deletes it); other `sites` of nginx with the same host
name; what the firewall would block (`closing`); why the first `up` would stop (`refusals`): another program on the
sites' port, what filters ahead of ufw, a way to Immich past our server; and why it cannot be told whether there are
more
(`unclear`).
"""

import contextlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from agent import answer
from agent.errors import HostError
from agent.firewall import closing, record, ufw
from agent.firewall.ahead import KNOWN, find_obstacles
from agent.firewall.guard.home import own_networks
from agent.firewall.openings import Opening, parse_opening
from agent.firewall.request import served_ports
from agent.firewall.rules import find_openings
from agent.firewall.ssh_access import SshPorts, ssh_ports
from agent.immich import require_immich
from agent.listeners.addresses import outside_addresses, outside_interfaces
from agent.listeners.publications import DOCKER_PROXY, published_ports
from agent.listeners.sockets import listeners
from agent.nginx import service
from agent.nginx.foreign_servers import foreign_sites
from agent.port_holder import find_holder
from agent.site import IMMICH
from agent.system import is_installed
from agent.task import Answer, Task
from agent.ways_in.look import look_before_first
from agent.ways_in.upstreams import Upstream

if TYPE_CHECKING:
    from agent.payloads import SurveyPayload

IMMICH_PORT = 2283
USUAL = f"127.0.0.1:{IMMICH_PORT}"
# Inside its container; releases before 1.118 listened on the second one.
CONTAINER_PORTS = (IMMICH_PORT, 3001)


def survey(task: Task) -> Answer:
    """Examines the host. Raises HostError where the settings cannot be right."""
    payload: SurveyPayload = task.payload
    ssh = ssh_ports(payload["sshPort"])
    kept = [parse_opening(text) for text in payload["keepOpen"]]
    immich = _immich()
    ports = [int(endpoint.rpartition(":")[2]) for endpoint in immich]
    dump = service.configuration() if is_installed("nginx") else ""
    port = payload["originPort"]
    # Those of other stacks, too
    served = {port, *served_ports(record.read_sites().values())}
    holders = [holder] if (holder := find_holder([port], dump)) is not None else []
    obstacles = find_obstacles(record.read_ranges() or KNOWN, [port])
    # The firewall step closes the port of the Immich that is proposed.
    upstreams = [Upstream(IMMICH, endpoint) for endpoint in immich or [USUAL]]
    found = look_before_first(payload["hostname"], upstreams, ports[:1], port)
    facts = answer.survey(
        addresses=outside_addresses(outside_interfaces()),
        networks=own_networks(),
        immich=immich,
        openings=_openings({port, *ports}),
        sites=foreign_sites(dump, payload["hostname"]),
        origin_port=port,
        port_holder=next((one.who for one in holders), None),
        closing=_closing(ssh, ports, kept, served),
        refusals=[answer.refusal(one.problem, one.remedy) for one in (*holders, *obstacles, *found.ways)],
        unclear=found.unclear,
    )
    return Answer("", facts)


def _closing(
    ssh: SshPorts, immich: Collection[int], kept: Sequence[Opening], served: Collection[int]
) -> list[dict[str, object]]:
    """What the firewall would block."""
    networks = closing.host_networks()
    return [
        answer.closing_service(
            f"{one.port}/{one.protocol}",
            one.holder,
            one.reached_by,
            closing.home_openings(one, networks),
        )
        for one in closing.services_to_block(ssh.all, immich, kept, networks, served)
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
