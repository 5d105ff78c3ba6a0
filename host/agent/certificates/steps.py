"""The steps `certificates` and `certificates-remove`."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

from agent.certificates.store import Store
from agent.certificates.x509 import Certificate, read_certificates, read_private_key
from agent.errors import HostError
from agent.files import File, differing, replaced
from agent.firewall import record
from agent.firewall.confirmation import confirm
from agent.nginx import probe, real_ip, service
from agent.nginx.layout import enabled_sites
from agent.site import checked_hostname, text
from agent.system import installed


class _Set(NamedTuple):
    site: str
    leaf: Certificate
    authorities: list[Certificate]
    files: dict[str, File]


def apply(request: Mapping[str, Any]) -> str:
    """Installs the site's certificates; where nginx serves the site, it takes them over and is seen to.

    A site whose nginx is stopped is left for the `nginx` step, which starts it.
    """
    change = confirm(final=False)
    wanted = _checked(request["payload"])
    store = Store(wanted.site)
    used = installed("nginx") and wanted.site in enabled_sites()
    fingerprint = wanted.leaf.fingerprint
    if not (store.settled_on(wanted.files) and (not used or _served(wanted))):
        if used:
            service.refuse_broken(str(store.folder))
        # The site would not load without the ranges that it includes.
        repairs = differing(real_ip.recorded()) if used else {}
        with service.changing() if used else nullcontext(), replaced(repairs), store.switched_to(wanted.files):
            if used:
                service.load()
                if service.active():
                    probe.require_certificate(wanted.site, fingerprint)
    authorities = " and ".join(authority.fingerprint[:16] for authority in wanted.authorities)
    return (
        f"certificate {fingerprint[:16]} for {wanted.site} until {wanted.leaf.end_date}, "
        f"clients of authority {authorities}, firewall change {change}"
    )


def remove(request: Mapping[str, Any]) -> str:
    """Removes the site's certificates, which nginx must not use any more. They are the last of a site on the host."""
    site = checked_hostname(text(request["payload"], "site"))
    store = Store(site)
    in_use = site in enabled_sites() or (installed("nginx") and f"{store.folder}/" in service.configuration())
    if in_use and store.folder.exists():
        raise HostError(
            f"nginx still uses the certificates in {store.folder}; take the site out first; nothing has been changed"
        )
    store.remove()
    record.forget_site(site)
    return f"no certificates for {site}"


def _served(wanted: _Set) -> bool:
    if service.unfinished():
        return False
    return not service.active() or probe.serves(wanted.site, wanted.leaf.fingerprint)


def _checked(payload: Mapping[str, Any]) -> _Set:
    """The payload's certificates and key, once they are seen to belong together and to be good now."""
    site = checked_hostname(text(payload, "site"))
    chain = read_certificates(text(payload, "certificate"), "origin certificate")
    private_key, public_key = read_private_key(text(payload, "privateKey"))
    authorities = read_certificates(text(payload, "clientCa"), "authority of the origin pulls")
    leaf, now = chain[0], time.time()
    if leaf.public_key != public_key:
        raise HostError("the private key does not belong to the origin certificate; nothing has been changed")
    if not leaf.names(site):
        raise HostError(f"the origin certificate is not for {site}; nothing has been changed")
    if not leaf.valid_at(now):
        raise HostError(f"the origin certificate {_validity(leaf, now)}; nothing has been changed")
    _check_authorities(authorities, now)
    return _Set(
        site,
        leaf,
        authorities,
        {
            "origin.pem": File("".join(one.pem for one in chain).encode()),
            "origin.key": File(private_key.encode(), 0o600),
            "client-ca.pem": File("".join(one.pem for one in authorities).encode()),
        },
    )


def _check_authorities(authorities: list[Certificate], now: float) -> None:
    subjects = {authority.subject for authority in authorities}
    for authority in authorities:
        if not authority.authority:
            raise HostError(f"{authority.subject} is no authority for the origin pulls; nothing has been changed")
        if authority.issuer not in subjects:
            raise HostError(
                f"the authority {authority.subject} needs its issuer {authority.issuer} too; nothing has been changed"
            )
    if not any(authority.valid_at(now) for authority in authorities):
        raise HostError(f"the authority of the origin pulls {_validity(authorities[0], now)}; nothing has been changed")


def _validity(certificate: Certificate, now: float) -> str:
    today = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < certificate.starts:
        start = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(certificate.starts))
        return f"begins only on {start} by this host's clock, which says {today}"
    return f"ended on {certificate.end_date} by this host's clock, which says {today}"
