"""The step `nginx`, and the removal of a site from nginx."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent import answer
from agent.access import client, installation, opening
from agent.access.record import Application
from agent.addresses import visitor_addresses
from agent.certificates import former_ca, steps as certificates
from agent.certificates.store import Store
from agent.certificates.x509 import read_certificates
from agent.errors import HostError, RefusedError
from agent.files import File, files_replaced, files_to_change, read
from agent.firewall import record
from agent.firewall.confirmation import confirm_firewall_change
from agent.firewall.request import Needs
from agent.immich import refuse_immich
from agent.nginx import probe, real_ip, service
from agent.nginx.configuration import Directive, http_block, read_text
from agent.nginx.inheritance import objections
from agent.nginx.layout import (
    DUMMY_CERTIFICATE,
    LAYOUTS,
    NAMES_HASH,
    RANGES,
    SHARED,
    UNKNOWN_NAMES,
    enabled_sites,
    layout,
    links_replaced,
    links_to_change,
    without_ours,
)
from agent.nginx.listen import (
    IPV4,
    IPV6,
    Endpoint,
    foreign_defaults,
    foreign_listens,
    own_endpoints,
)
from agent.nginx.names_hash import bucket_size
from agent.nginx.ports import refuse_taken
from agent.nginx.text import Site, names_hash_text, site_text, token_cache, unknown_names_text
from agent.site import SHARES, check_upstream, require_different
from agent.system import is_installed, run
from agent.task import Answer, Task
from agent.ways_in.look import look_now, refuse_ways_in, untold
from agent.ways_in.upstreams import Upstream

if TYPE_CHECKING:
    from agent.payloads import DoctorPayloadSite, NginxPayload, NginxPayloadSite


class Plan(NamedTuple):
    """The desired files and links of the sites, and the certificates that nginx must show."""

    # By site
    fingerprints: dict[str, str]
    # By site, where nginx serves it
    ports: dict[str, Sequence[int]]
    files: dict[Path, File | None]
    links: dict[Path, Path | None]
    # The addresses of this host to which visitors come
    addresses: list[str]
    # Where our servers listen
    endpoints: list[Endpoint]
    # Files of other default servers, by their address; our default server serves the other endpoints
    foreign: dict[Endpoint, str]

    @property
    def configuration(self) -> str:
        """The files' short hash."""
        content = b"".join(file.content for path, file in self.files.items() if file and path != DUMMY_CERTIFICATE)
        return sha256(content).hexdigest()[:12]

    @property
    def foreign_defaults(self) -> list[str]:
        """The files with default servers that are not ours."""
        return sorted({file for endpoint, file in self.foreign.items() if endpoint in self.endpoints})

    def endpoint_of(self, place: Endpoint) -> Endpoint:
        """Whose servers nginx asks for a connection to the place."""
        every = IPV6 if place.is_ipv6 or Endpoint(IPV4, place.port) not in self.endpoints else IPV4
        return place if place in self.endpoints else Endpoint(every, place.port)

    @property
    def summary(self) -> str:
        """A text for a person."""
        others = "".join(f", unknown names are answered by {file}" for file in self.foreign_defaults)
        return f"config {self.configuration}{others}"


def apply(task: Task) -> Answer:
    """Serves all sites with one reload and verifies the result. Starts the verifier first if a site checks tokens.

    An upstream that does not answer is no error: nginx answers 502 until it does. Immich itself as the upstream of
    public shares is an error.
    """
    payload: NginxPayload = task.payload
    confirm_firewall_change(final=True)
    require_different([site["hostname"] for site in payload["sites"]])
    recorded = record.read_sites()
    sites = [_requested_site(payload, site, recorded) for site in payload["sites"]]
    applications = opening.parse_applications(payload)
    service.require()
    ranges = real_ip.recorded_file()
    if not ranges:
        raise RefusedError("the firewall step has not run on this host")
    for site in sites:
        needs = recorded.get(site.name)
        if needs is not None and needs.serves not in (None, site.serves):
            raise RefusedError(f"the firewall step knows {site.name} as a site that serves {needs.serves}")
        if site.serves == SHARES:
            refuse_immich(site.upstream)
    found = look_now(recorded, [Upstream(site.serves, site.upstream) for site in sites])
    refuse_ways_in(found)
    kept = opening.files_for(applications)
    repairs = files_to_change(ranges)
    # Restore the ranges first: `nginx -T` prints nothing if a file is missing.
    with files_replaced(repairs):
        service.refuse_broken([str(Store(site.name).folder) for site in sites])
        configuration = _configuration()
        plan = plan_sites(task.modules, sites, configuration)
        refuse_taken(plan.endpoints, foreign_listens(http_block(configuration)))
        if applications:
            installation.install(task.modules)
        with opening.tokens_admitted(applications, kept):
            former = former_ca.sites_with_former_cas(site.name for site in sites)
            if repairs or former or not _is_settled(plan):
                with (
                    service.restored_on_error(),
                    former_ca.dropped(former),
                    files_replaced(files_to_change(plan.files)),
                    links_replaced(links_to_change(plan.links)),
                ):
                    service.load_or_start()
                    prove(plan)
    for site in sites:
        if not site.token_check:
            opening.remove(site.name)
    _forget_abandoned(payload["owner"], {site.name for site in sites})
    _forget_tokens()
    record.finish_upgrade()
    served = " and ".join(f"{site.name} for {site.upstream}{_tokens(applications.get(site.name))}" for site in sites)
    facts = [
        answer.served_site(site["hostname"], site["upstream"], plan.fingerprints[site["hostname"]], site["audience"])
        for site in payload["sites"]
    ]
    return Answer(
        f"nginx serves {served}, {plan.summary}{untold(found)}",
        answer.nginx(plan.configuration, facts, plan.foreign_defaults),
    )


def _forget_abandoned(owner: str, wanted: set[str]) -> None:
    """Removes the orphans of an `up` that failed before nginx: sites that are no longer in the stack."""
    for site in record.sites_of(owner) - wanted - set(enabled_sites()):
        certificates.remove(site)
        record.forget_site(site, owner)


def _tokens(application: Application | None) -> str:
    return "" if application is None else f" with tokens of the application {application.audience[:16]}"


def _requested_site(payload: "NginxPayload", site: "NginxPayloadSite", recorded: Mapping[str, Needs]) -> Site:
    """A site of the payload, served on the ports that the firewall step has opened for it."""
    needs, port = recorded.get(site["hostname"]), payload["originPort"]
    ports = (port,) if needs is None else needs.origin_ports
    if port not in ports:
        raise RefusedError(f"the firewall step has opened port {ports[0]} for {site['hostname']}, and not {port}")
    return parse_site(site, site["audience"] is not None, ports)


def parse_site(payload: "NginxPayloadSite | DoctorPayloadSite", token_check: bool, ports: Sequence[int]) -> Site:
    """Parses one site of the payload; raises RefusedError for what must not get into nginx's configuration."""
    name = payload["hostname"]
    upstream = check_upstream(payload["upstream"])
    return Site(name, payload["serves"], upstream, str(Store(name).current), str(RANGES), token_check, ports)


def remove(name: str) -> None:
    """Removes the site from nginx, which keeps serving all others.

    Removing our last site also removes the server for unknown names.
    """
    gone = [name] if any(site != name for site in enabled_sites()) else [name, *SHARED]
    files: dict[Path, File | None] = {place.file(one): None for place in LAYOUTS for one in gone}
    links = {link: None for place in LAYOUTS for one in gone for link in place.link(one)}
    if UNKNOWN_NAMES in gone:
        files[DUMMY_CERTIFICATE] = None
    running = is_installed("nginx") and service.is_active()
    if files_to_change(files) or links_to_change(links) or (running and service.is_unfinished()):
        if running:
            service.refuse_broken([str(Store(name).folder)])
        # Our other sites include the ranges.
        if len(gone) == 1:
            files |= real_ip.recorded_file()
        guard = service.restored_on_error() if running else nullcontext()
        with guard, links_replaced(links_to_change(links)), files_replaced(files_to_change(files)):
            if running:
                service.load()
    _forget_tokens()


def _configuration() -> str:
    """What `nginx -T` prints, without our files if it is those that nginx refuses: the owner's decide the plan."""
    dump = service.configuration()
    if dump:
        return dump
    with without_ours():
        return service.configuration()


def plan_sites(modules: Mapping[str, str], sites: Sequence[Site], configuration: str) -> Plan:
    """Plans nginx's files for sites, where nginx has this configuration.

    Raises HostError if a site's certificates are not installed, or if the owner's configuration does not go with ours.
    """
    fingerprints = {site.name: _fingerprint(site) for site in sites}
    nginx = service.capabilities()
    place = layout()
    http = http_block(configuration)
    listens = foreign_listens(http)
    ports = {site.name: site.ports for site in sites}
    # Unknown names are refused wherever a site of any stack is served.
    recorded = {name: needs.origin_ports for name, needs in record.read_sites().items()}
    served = sorted({port for own in {**recorded, **ports}.values() for port in own})
    listening = {port: own_endpoints(listens, port, ipv6=nginx.ipv6) for port in served}
    endpoints = [endpoint for port in served for endpoint in listening[port]]
    foreign = foreign_defaults(listens)
    unclaimed = [endpoint for endpoint in endpoints if endpoint not in foreign]

    # Delete files in the other layout, which remain if nginx.conf has changed.
    places = [(one, name) for one in LAYOUTS for name in (*fingerprints, *SHARED)]
    files: dict[Path, File | None] = {DUMMY_CERTIFICATE: None, **{one.file(name): None for one, name in places}}
    links: dict[Path, Path | None] = {link: None for one, name in places for link in one.link(name)}
    if unclaimed:
        unknown_names = unknown_names_text(modules, nginx, unclaimed, str(DUMMY_CERTIFICATE))
        files[place.file(UNKNOWN_NAMES)] = File(unknown_names.encode())
        links.update(place.link(UNKNOWN_NAMES))
        if not nginx.rejects_handshakes:
            files[DUMMY_CERTIFICATE] = read(DUMMY_CERTIFICATE) or _make_dummy_certificate()
    size = bucket_size(http, {*fingerprints, *enabled_sites()})
    if size is not None:
        files[place.file(NAMES_HASH)] = File(names_hash_text(modules, size).encode())
        links.update(place.link(NAMES_HASH))
    for site in sites:
        text = site_text(modules, site, nginx, [one for port in site.ports for one in listening[port]])
        files[place.file(site.name)] = File(text.encode())
        links.update(place.link(site.name))
        _refuse_inherited(http, text)
    return Plan(fingerprints, ports, files, links, visitor_addresses(), endpoints, foreign)


def _refuse_inherited(http: Directive | None, text: str) -> None:
    """Raises RefusedError for what the site's server would inherit from the block `http` and must not."""
    ranges = {str(path): file.content.decode() for path, file in real_ip.recorded_file().items() if file is not None}
    server = next(one for one in read_text(text, ranges) if one.name == "server")
    found = objections(http, {one.name for one in server.block or ()})
    if found:
        raise RefusedError(f"{'; '.join(found)}; move it into the server blocks that need it")


def _fingerprint(site: Site) -> str:
    certificate = read(Path(site.certificates) / "origin.pem")
    if certificate is None:
        raise RefusedError(f"{site.certificates}/origin.pem is missing; the certificates step installs it")
    return read_certificates(certificate.content.decode(), "installed certificate")[0].fingerprint


def _forget_tokens() -> None:
    """Removes unused token caches, and the verifier when no site checks tokens."""
    asking = {name for place in LAYOUTS for name in enabled_sites() if _checks_tokens(place.file(name))}
    for folder in Path("/run").glob("immich-access-tokens-*"):
        if str(folder) not in {token_cache(name) for name in asking}:
            shutil.rmtree(folder)
    if not asking:
        installation.remove()


def _checks_tokens(file: Path) -> bool:
    found = read(file)
    return found is not None and client.SOCKET.encode() in found.content


def _make_dummy_certificate() -> File:
    """A self-signed certificate that names nothing, with its key. The key never leaves the host."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = run([*command, "-days", "36500", "-subj", "/CN=unknown.invalid", "-keyout", "-", "-out", "-"])
    return File(made.stdout.encode(), 0o600)


def _is_settled(plan: Plan) -> bool:
    """Whether everything is in place and nginx serves it."""
    if files_to_change(plan.files) or links_to_change(plan.links) or service.is_unfinished():
        return False
    if not (service.is_active() and service.is_enabled()):
        return False
    try:
        prove(plan)
    except HostError:
        return False
    return True


def prove(plan: Plan) -> None:
    """Raises HostError unless nginx shows the certificates and refuses strangers and unknown names.

    It asks at the addresses to which visitors come: another server may have one of them for itself.
    """
    for address in plan.addresses:
        for site, fingerprint in plan.fingerprints.items():
            for port in plan.ports[site]:
                place = Endpoint(address, port)
                probe.require_certificate(site, fingerprint, [place])
                probe.require_client_certificate(site, place)
        for port in sorted({port for ports in plan.ports.values() for port in ports}):
            if plan.endpoint_of(Endpoint(address, port)) not in plan.foreign:
                probe.require_unknown_names_refused(Endpoint(address, port))
