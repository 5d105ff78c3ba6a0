"""The ports on which our sites listen, and leaving those that they no longer need."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.files import File, files_replaced, files_to_change, read
from agent.nginx import real_ip, service
from agent.nginx.layout import LAYOUTS, UNKNOWN_NAMES, links_replaced, links_to_change
from agent.system import is_installed

# As site.conf and unknown_names.conf are filled in
_LISTEN = re.compile(r"^ *listen (?:\S*:)?(\d+) ssl\b[^;\n]*;\n", re.MULTILINE)


def listening_ports(name: str) -> set[int]:
    """The ports of a site's server; empty if nginx does not have the site."""
    return {int(port) for text in _texts(name).values() for port in _LISTEN.findall(text)}


def leave(served: Mapping[str, Sequence[int]]) -> None:
    """Has each of these sites listen on its own ports alone, and the server for unknown names on theirs.

    `served` are all our sites on the host. Nothing happens to a site that nginx does not have.
    """
    everyone = {port for ports in served.values() for port in ports}
    files: dict[Path, File | None] = {}
    links: dict[Path, Path | None] = {}
    for name, ports in {**served, UNKNOWN_NAMES: everyone}.items():
        for path, text in _texts(name).items():
            left = _LISTEN.sub(lambda one, kept=ports: one[0] if int(one[1]) in kept else "", text)
            files[path] = File(left.encode()) if _LISTEN.search(left) else None
            if files[path] is None:
                # Other servers answer unknown names on the ports that remain.
                links |= {link: None for place in LAYOUTS for link in place.link(name) if place.file(name) == path}
    running = is_installed("nginx") and service.is_active()
    if not (files_to_change(files) or links_to_change(links) or (running and service.is_unfinished())):
        return
    if not running:
        with links_replaced(links_to_change(links)), files_replaced(files_to_change(files)):
            return
    service.refuse_broken([])
    files |= real_ip.recorded_file()
    with (
        service.restored_on_error(),
        links_replaced(links_to_change(links)),
        files_replaced(files_to_change(files)),
    ):
        service.load()


def _texts(name: str) -> dict[Path, str]:
    found = {path: read(path) for path in (place.file(name) for place in LAYOUTS)}
    return {path: file.content.decode() for path, file in found.items() if file is not None}
