"""Builds nginx's configuration from the templates in this folder."""

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.nginx.inheritance import RESETS, TLS_RESETS, Version, resets
from agent.nginx.listen import Endpoint

# Older versions have no ssl_reject_handshake.
REJECTS_HANDSHAKES: Version = (1, 19, 4)
# Older versions have HTTP/2 as a parameter of `listen`, which newer ones deprecate.
HTTP2_DIRECTIVE: Version = (1, 25, 1)


class _Template(string.Template):
    """A template whose variables begin with `@`, because nginx's begin with `$`."""

    delimiter = "@"
    idpattern = "[a-z]+"


class Site(NamedTuple):
    """The input of a site's configuration."""

    name: str
    # IMMICH, or SHARES for immich-public-proxy
    serves: str
    upstream: str
    # The folder with origin.pem, origin.key and client-ca.pem
    certificates: str
    # The file with Cloudflare's ranges
    ranges: str
    # Whether the verifier checks each request's Access token
    token_check: bool
    # Where nginx serves it
    ports: Sequence[int]


class Nginx(NamedTuple):
    """The capabilities of a host's nginx."""

    version: Version
    # Whether the kernel has IPv6; without it nginx does not start with a listener on [::].
    ipv6: bool
    # The options of its build that add modules or leave them out, such as `with-http_auth_request_module`
    build: frozenset[str] = frozenset()

    @property
    def rejects_handshakes(self) -> bool:
        """Whether it can refuse a TLS handshake without showing a certificate."""
        return self.version >= REJECTS_HANDSHAKES


def site_text(modules: Mapping[str, str], site: Site, nginx: Nginx, endpoints: Sequence[Endpoint]) -> str:
    """The site's server block, which listens on the endpoints."""
    directive = nginx.version >= HTTP2_DIRECTIVE
    listen = [f"listen {endpoint} ssl{'' if directive else ' http2'};" for endpoint in endpoints]
    return fill_template(
        modules,
        "agent/nginx/site.conf",
        site=site.name,
        serves=site.serves,
        service=fill_template(modules, f"agent/nginx/{site.serves}.conf", upstream=site.upstream),
        certificates=site.certificates,
        ranges=site.ranges,
        listen=_lines([*listen, "http2 on;"] if directive else listen),
        tls=_lines(_tls(nginx, rejected=False)),
        resets=_lines(resets(RESETS, nginx.version, nginx.build)),
        cache=_token_part(modules, site, "cache") if site.token_check else "",
        check=_token_part(modules, site, "check") if site.token_check else _no_check(nginx),
    )


def _tls(nginx: Nginx, *, rejected: bool) -> list[str]:
    """What a server negotiates, and whether it does so at all."""
    reject = [f"ssl_reject_handshake {'on' if rejected else 'off'};"] if nginx.rejects_handshakes else []
    return [*resets(TLS_RESETS, nginx.version, nginx.build), *reject]


def _no_check(nginx: Nginx) -> str:
    """Ends the inheritance of somebody else's check."""
    return "    auth_request off;\n" if "with-http_auth_request_module" in nginx.build else ""


def _token_part(modules: Mapping[str, str], site: Site, part: str) -> str:
    return fill_template(modules, f"agent/nginx/token_{part}.conf", site=site.name, cache=token_cache(site.name))


def unknown_names_text(
    modules: Mapping[str, str], nginx: Nginx, endpoints: Sequence[Endpoint], certificate: str
) -> str:
    """The default server of the endpoints. `certificate`, with its key, is for an nginx that must show one."""
    shown = (
        [] if nginx.rejects_handshakes else [f"ssl_certificate {certificate};", f"ssl_certificate_key {certificate};"]
    )
    listen = [f"listen {endpoint} ssl default_server;" for endpoint in endpoints]
    tls = [*_tls(nginx, rejected=True), *shown]
    return fill_template(modules, "agent/nginx/unknown_names.conf", listen=_lines(listen), tls=_lines(tls))


def names_hash_text(modules: Mapping[str, str], size: int) -> str:
    """The size in bytes of a bucket in nginx's table of host names."""
    return fill_template(modules, "agent/nginx/names_hash.conf", size=str(size))


def token_cache(site: str) -> str:
    """The folder of nginx's short-lived cache of valid tokens."""
    return f"/run/immich-access-tokens-{site}"


def fill_template(modules: Mapping[str, str], path: str, **values: str) -> str:
    """Fills in a template's variables. `path` is its name below host/."""
    if path not in modules:
        raise RefusedError(f"the request has no {path}")
    return _Template(modules[path]).substitute(values)


def _lines(directives: Sequence[str]) -> str:
    return "\n    ".join(directives)
