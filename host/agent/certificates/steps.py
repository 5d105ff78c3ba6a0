"""The step `certificates`, and the removal of a site's certificates."""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from agent import answer
from agent.addresses import visitor_addresses
from agent.certificates.former_ca import REMAINING, TRUSTED, ca_file, former_cas
from agent.certificates.store import Store
from agent.certificates.x509 import Certificate, read_certificates, read_private_key
from agent.errors import RefusedError
from agent.files import File, files_replaced, files_to_change
from agent.firewall import record
from agent.firewall.confirmation import confirm_firewall_change
from agent.firewall.rules import HTTPS_PORT
from agent.nginx import probe, real_ip, service
from agent.nginx.layout import enabled_sites
from agent.nginx.listen import Endpoint
from agent.site import require_different
from agent.system import is_installed
from agent.task import Answer, Task

if TYPE_CHECKING:
    from agent.payloads import CertificatesPayload, CertificatesPayloadSite


class _Set(NamedTuple):
    site: str
    leaf: Certificate
    cas: list[Certificate]
    files: dict[str, File]

    @property
    def summary(self) -> str:
        """The step's message about the set."""
        cas = " and ".join(ca.fingerprint[:16] for ca in self.cas)
        return (
            f"certificate {self.leaf.fingerprint[:16]} for {self.site} until {self.leaf.end_date}, clients of CA {cas}"
        )


def apply(task: Task) -> Answer:
    """Installs the sites' certificates. If nginx serves a site, reloads it and verifies the result.

    Does not start a stopped nginx: the `nginx` step does.
    """
    payload: CertificatesPayload = task.payload
    change = confirm_firewall_change(final=False)
    require_different([site["hostname"] for site in payload["sites"]])
    served = set(enabled_sites()) if is_installed("nginx") else set[str]()
    parsed = [parse_set(site) for site in payload["sites"]]
    wanted = [_with_former_cas(one) if one.site in served else one for one in parsed]
    _install(wanted, served)
    return Answer(
        "\n".join(f"{one.summary}, firewall change {change}" for one in wanted),
        answer.certificates(change, [answer.certificate_set(one.site, one.leaf, one.cas) for one in wanted]),
    )


def _with_former_cas(wanted: _Set) -> _Set:
    """The set, and what nginx trusts for the site so far, because Cloudflare presents its former certificate."""
    former = former_cas(wanted.site, wanted.cas)
    if not former:
        return wanted
    cas = [*wanted.cas, *former]
    return wanted._replace(cas=cas, files={**wanted.files, TRUSTED: ca_file(cas), REMAINING: ca_file(wanted.cas)})


def _install(wanted: Sequence[_Set], served: Collection[str]) -> None:
    """Installs all sets or none: nginx refuses its files while one set is broken."""
    stale = [one for one in wanted if not _is_settled(one, one.site in served)]
    if not stale:
        return
    used = [one for one in stale if one.site in served]
    if used:
        service.refuse_broken([str(Store(one.site).folder) for one in wanted])
    with ExitStack() as changes:
        if used:
            changes.enter_context(service.restored_on_error())
            # Restore the ranges: a site does not load without the file that it includes.
            changes.enter_context(files_replaced(files_to_change(real_ip.recorded_file())))
        for one in stale:
            changes.enter_context(Store(one.site).switched_to(one.files))
        if used:
            service.load()
            if service.is_active():
                # At one address that nginx gives to our servers; the step `nginx` sees to all of them.
                for one in used:
                    probe.require_certificate(one.site, one.leaf.fingerprint, _places(one.site))


def remove(site: str) -> None:
    """Removes the site's certificates. nginx must no longer use them."""
    store = Store(site)
    in_use = site in enabled_sites() or (is_installed("nginx") and f"{store.folder}/" in service.configuration())
    if in_use and store.folder.exists():
        raise RefusedError(f"nginx still uses the certificates in {store.folder}; take the site out first")
    store.remove()


def _is_settled(wanted: _Set, served: bool) -> bool:
    """Whether the set is installed and, if nginx serves the site, in use."""
    if not Store(wanted.site).is_settled_on(wanted.files):
        return False
    if not served:
        return True
    if service.is_unfinished():
        return False
    return not service.is_active() or probe.serves(wanted.site, wanted.leaf.fingerprint, _places(wanted.site))


def _places(site: str) -> list[Endpoint]:
    """Where visitors come to the site. It may be served on one of its ports only so far."""
    needs = record.read_sites().get(site)
    ports = (HTTPS_PORT,) if needs is None else needs.origin_ports
    return [Endpoint(address, port) for port in ports for address in visitor_addresses()]


def parse_set(payload: "CertificatesPayloadSite") -> _Set:
    """Parses the payload's certificates and key; raises RefusedError unless they match and are valid now."""
    site, certificate, ca = payload["hostname"], payload["certificate"], payload["clientCa"]
    private_key, public_key = read_private_key(payload["privateKey"])
    chain = read_certificates(certificate, "origin certificate")
    cas = read_certificates(ca, "CA of the origin pulls")
    leaf, now = chain[0], time.time()
    if leaf.public_key != public_key:
        raise RefusedError("the private key does not belong to the origin certificate")
    if not leaf.names(site):
        raise RefusedError(f"the origin certificate is not for {site}")
    if not leaf.valid_at(now):
        raise RefusedError(f"the origin certificate {_validity(leaf, now)}")
    _check_cas(cas, now)
    return _Set(
        site,
        leaf,
        cas,
        {
            "origin.pem": File("".join(one.pem for one in chain).encode()),
            "origin.key": File(private_key.encode(), 0o600),
            TRUSTED: ca_file(cas),
        },
    )


def _check_cas(cas: list[Certificate], now: float) -> None:
    subjects = {ca.subject for ca in cas}
    for ca in cas:
        if not ca.is_ca:
            raise RefusedError(f"{ca.subject} is no CA for the origin pulls")
        if ca.issuer not in subjects:
            raise RefusedError(f"the CA {ca.subject} needs its issuer {ca.issuer} too")
    if not any(ca.valid_at(now) for ca in cas):
        raise RefusedError(f"the CA of the origin pulls {_validity(cas[0], now)}")


def _validity(certificate: Certificate, now: float) -> str:
    today = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < certificate.starts:
        start = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(certificate.starts))
        return f"begins only on {start} by this host's clock, which says {today}"
    return f"ended on {certificate.end_date} by this host's clock, which says {today}"
