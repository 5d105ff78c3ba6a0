"""Examines one site on a host: its part of the step `doctor`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from agent import answer
from agent.certificates.former_ca import sites_with_former_cas
from agent.certificates.store import Store
from agent.certificates.x509 import Certificate, read_certificates, read_private_key
from agent.errors import HostError
from agent.files import files_to_change, read
from agent.immich import require_immich, require_public_proxy
from agent.nginx import service, steps as nginx
from agent.nginx.layout import links_to_change
from agent.nginx.text import Site
from agent.site import IMMICH


class SiteExamination:
    """A site's checks. Each returns what it found, or raises HostError with what is wrong."""

    def __init__(self, modules: Mapping[str, str], site: Site) -> None:
        self._modules = modules
        self._store = Store(site.name)
        self.site = site

    def checks(self) -> dict[str, Callable[[], str]]:
        """All of them, by name. They may run at the same time as another site's."""
        return {
            "site": self.files,
            "guard": self.guard,
            "certificate": self.certificate,
            "key": self.key,
            **({"immich": self.immich} if self.site.serves == IMMICH else {"proxy": self.public_proxy}),
        }

    def facts(self) -> dict[str, object]:
        """Facts that only the caller can judge."""
        return answer.site_facts(
            client_ca=read_text(self._store.current / "client-ca.pem"),
            certificate=read_text(self._store.current / "origin.pem"),
        )

    def files(self) -> str:
        """nginx's files for the site are those of the deployment."""
        service.require()
        plan = nginx.plan_sites(self._modules, [self.site], service.configuration())
        changed = [*files_to_change(plan.files), *links_to_change(plan.links)]
        if changed:
            raise HostError(f"{', '.join(str(path) for path in changed)} differ from what was deployed")
        return plan.summary

    def guard(self) -> str:
        """nginx refuses a client without a certificate and, unless another server answers it, an unknown name."""
        service.require()
        if sites_with_former_cas([self.site.name]):
            raise HostError(
                "nginx also trusts the former CA of the origin pulls, as a change that was cut off has left it"
            )
        plan = nginx.plan_sites(self._modules, [self.site], service.configuration())
        nginx.prove(plan)
        others = ", ".join(plan.foreign_defaults)
        names = f"; {others} answers unknown names, and was not asked here" if others else ", and an unknown name"
        return f"has just turned away a client without a certificate{names}"

    def certificate(self) -> str:
        """The origin certificate is for the site and valid now."""
        leaf = self._leaf()
        if not leaf.names(self.site.name):
            raise HostError(f"the origin certificate is not for {self.site.name}")
        if not leaf.valid_at(time.time()):
            raise HostError(f"the origin certificate is not valid now; it ends on {leaf.end_date}")
        return f"valid until {leaf.end_date}"

    def key(self) -> str:
        """The key belongs to the certificate, and only root may read it."""
        path = self._store.current / "origin.key"
        file = read(path)
        if file is None:
            raise HostError(f"{path} is missing")
        if file.mode & 0o077 or path.stat().st_uid != 0:
            raise HostError(f"{path} is readable by others: mode {file.mode:04o}, owner {path.stat().st_uid}")
        if read_private_key(file.content.decode(errors="replace"))[1] != self._leaf().public_key:
            raise HostError(f"{path} does not belong to the origin certificate")
        return f"mode {file.mode:04o}, owner root"

    def immich(self) -> str:
        """What the site serves is Immich."""
        require_immich(self.site.upstream)
        return f"answers on {self.site.upstream}"

    def public_proxy(self) -> str:
        """What the site serves is immich-public-proxy, and not Immich itself."""
        require_public_proxy(self.site.upstream)
        return f"immich-public-proxy answers on {self.site.upstream}"

    def _leaf(self) -> Certificate:
        pem = read_text(self._store.current / "origin.pem")
        if pem is None:
            raise HostError(f"{self._store.current}/origin.pem is missing")
        return read_certificates(pem, "origin certificate")[0]


def read_text(path: Path) -> str | None:
    """A file's text, or None where there is no file."""
    file = read(path)
    return None if file is None else file.content.decode(errors="replace")
