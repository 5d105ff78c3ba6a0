"""Builds nginx's configuration from the templates in this folder."""

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError

Version = tuple[int, ...]

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


class Nginx(NamedTuple):
    """The capabilities of a host's nginx."""

    version: Version
    # Whether the kernel has IPv6; without it nginx does not start with a listener on [::].
    ipv6: bool

    @property
    def families(self) -> list[str]:
        """The prefixes of the port in `listen`, one for each address family."""
        return ["", "[::]:"] if self.ipv6 else [""]

    @property
    def rejects_handshakes(self) -> bool:
        """Whether it can refuse a TLS handshake without showing a certificate."""
        return self.version >= REJECTS_HANDSHAKES


def site_text(modules: Mapping[str, str], site: Site, nginx: Nginx) -> str:
    """The site's server block."""
    directive = nginx.version >= HTTP2_DIRECTIVE
    listen = [f"listen {family}443 ssl{'' if directive else ' http2'};" for family in nginx.families]
    return fill_template(
        modules,
        "agent/nginx/site.conf",
        site=site.name,
        serves=site.serves,
        service=fill_template(modules, f"agent/nginx/{site.serves}.conf", upstream=site.upstream),
        certificates=site.certificates,
        ranges=site.ranges,
        listen=_lines([*listen, "http2 on;"] if directive else listen),
        cache=_token_part(modules, site, "cache"),
        check=_token_part(modules, site, "check"),
    )


def _token_part(modules: Mapping[str, str], site: Site, part: str) -> str:
    if not site.token_check:
        return ""
    return fill_template(modules, f"agent/nginx/token_{part}.conf", site=site.name, cache=token_cache(site.name))


def unknown_names_text(modules: Mapping[str, str], nginx: Nginx, families: Sequence[str], certificate: str) -> str:
    """The default server for the given families; `certificate`, with its key, is for an nginx that must show one."""
    refusal = (
        ["ssl_reject_handshake on;"]
        if nginx.rejects_handshakes
        else [f"ssl_certificate {certificate};", f"ssl_certificate_key {certificate};"]
    )
    listen = [f"listen {family}443 ssl default_server;" for family in families]
    return fill_template(modules, "agent/nginx/unknown_names.conf", listen=_lines(listen), refusal=_lines(refusal))


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
