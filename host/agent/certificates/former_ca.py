"""Has nginx trust the former CAs of the origin pulls until Cloudflare presents a certificate of the new ones.

The step `certificates` installs both, because it comes before Cloudflare gets its new client certificate. The step
`nginx` comes after that and drops the former ones. A change of the mode of the origin pulls thus interrupts nothing.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from agent.certificates.store import Store
from agent.certificates.x509 import Certificate, read_certificates
from agent.errors import HostError
from agent.files import File, read

TRUSTED = "client-ca.pem"
# The CAs that remain, beside others in TRUSTED; absent if there are no others
REMAINING = "client-ca-remaining.pem"


def ca_file(cas: Iterable[Certificate]) -> File:
    """The file with these CAs."""
    return File("".join(ca.pem for ca in cas).encode())


def former_cas(site: str, wanted: Sequence[Certificate]) -> list[Certificate]:
    """The CAs that nginx trusts for the site besides the wanted ones. A damaged file has none."""
    trusted = read(Store(site).current / TRUSTED)
    known = {ca.fingerprint for ca in wanted}
    try:
        present = read_certificates(trusted.content.decode(), "CA of the origin pulls") if trusted else []
    except (HostError, UnicodeDecodeError):
        return []
    return [ca for ca in present if ca.fingerprint not in known]


def sites_with_former_cas(sites: Iterable[str]) -> dict[str, dict[str, File]]:
    """The sites for which nginx trusts former CAs, each with the files of its set without them."""
    found = {site: _without_former(site) for site in sites}
    return {site: files for site, files in found.items() if files is not None}


def _without_former(site: str) -> dict[str, File] | None:
    folder = Store(site).current
    files = {name: read(folder / name) for name in ("origin.pem", "origin.key", REMAINING)}
    complete = {name: file for name, file in files.items() if file is not None}
    remaining = complete.pop(REMAINING, None)
    return None if remaining is None else {**complete, TRUSTED: remaining}


@contextmanager
def dropped(sites: Mapping[str, Mapping[str, File]]) -> Generator[None, None, None]:
    """Drops the former CAs of `sites_with_former_cas` and runs the body, which has nginx read the rest."""
    with ExitStack() as changes:
        for site, files in sites.items():
            changes.enter_context(Store(site).switched_to(files))
        yield
