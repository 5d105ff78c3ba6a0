"""The names that a listener's program serves, as far as its own files tell, each with the place where it stands."""

import re
from pathlib import Path

from agent.display import displayable_name
from agent.listeners import engines

APACHE = Path("/etc/apache2/sites-enabled")
CADDY = Path("/etc/caddy/Caddyfile")

_APACHE_NAMES = re.compile(r"^\s*Server(?:Name|Alias)\s+(.+)$", re.IGNORECASE)
_CADDY_SITE = re.compile(r"^([^\s#{}(@][^#{}()]*?)\s*\{\s*$")
# Rules of Traefik's routers, as in Host(`photos.example.com`)
_TRAEFIK_NAMES = re.compile(r"Host(?:SNI)?\(([^)]*)\)")
_NAME = re.compile(r"[a-z0-9*_-]+(?:\.[a-z0-9*_-]+)*", re.IGNORECASE)
_MOST_NAMES = 50


def served_names(programs: tuple[str, ...], in_container: bool) -> dict[str, str]:
    """The names by which a listener's program chooses among its servers, with file and line or container.

    It knows Apache and Caddy as Debian installs them, and what other containers tell a proxy in their labels. nginx's
    own names are in `agent.ways_in.nginx_servers`.
    """
    found: dict[str, str] = {}
    if not in_container and {"apache2", "httpd"} & {*programs}:
        found |= _apache()
    if not in_container and "caddy" in programs:
        found |= _caddy()
    if in_container or {"traefik", "caddy", "docker-proxy"} & {*programs}:
        found |= _labels()
    return dict(list(found.items())[:_MOST_NAMES])


def _apache() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(APACHE.glob("*")):
        for number, line in enumerate(_lines(path), 1):
            if match := _APACHE_NAMES.match(line):
                found.update((name, f"{path}:{number}") for name in _names(match[1]))
    return found


def _caddy() -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(_lines(CADDY), 1):
        if match := _CADDY_SITE.match(line):
            found.update((name, f"{CADDY}:{number}") for name in _names(match[1]))
    return found


def _labels() -> dict[str, str]:
    found: dict[str, str] = {}
    for container in engines.containers():
        for label, value in container.labels.items():
            if label == "caddy" or label.startswith("caddy_"):
                names = _names(value)
            else:
                names = [name for part in _TRAEFIK_NAMES.findall(value) for name in _names(part.replace("`", " "))]
            found.update((name, f"a label of the container {container.name}") for name in names)
    return found


def _names(text: str) -> list[str]:
    """The host names in a list, without schemes, ports and paths."""
    words = (re.sub(r"^https?://", "", word.strip("\"',")) for word in re.split(r"[\s,]+", text))
    names = (displayable_name(word.partition("/")[0].partition(":")[0]).lower() for word in words)
    return [name.replace("*", "any") for name in names if "." in name and _NAME.fullmatch(name)]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
