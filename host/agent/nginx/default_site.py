"""Debian's default site, which wants port 80, where this program has installed nginx.

Nobody has asked for that site, and another program may have the port, without which nginx does not start. So it is put
aside before nginx starts for the first time, and given back when the firewall's last rules are removed.
"""

import re
from hashlib import md5
from pathlib import Path

from agent.files import File, read, write, write_link
from agent.listeners.sockets import listeners
from agent.nginx import service
from agent.nginx.layout import CONFIGURATION
from agent.system import is_installed, run

LINK = CONFIGURATION / "sites-enabled/default"
SITE = CONFIGURATION / "sites-available/default"
PACKAGE = "nginx-common"
# Holds the target of the link that was put aside.
RECORD = Path("/var/lib/immich-access/nginx-default-site")
HTTP_PORT = 80


def put_aside() -> None:
    """Takes the default site out of nginx's configuration, unless somebody has changed it."""
    if LINK.is_symlink() and LINK.resolve() == SITE and _is_as_packaged():
        write(RECORD, File(f"{LINK.readlink()}\n".encode(), 0o600))
        LINK.unlink()


def give_back() -> None:
    """Puts the default site back, unless port 80 is another program's by now."""
    record = read(RECORD)
    if record is None:
        return
    others = [one for one in listeners() if one.port == HTTP_PORT and "nginx" not in one.programs]
    if SITE.exists() and not LINK.exists() and not others:
        write_link(LINK, record.content.decode().strip())
        if is_installed("nginx") and service.find_problem() is None:
            service.load()
    write(RECORD, None)


def _is_as_packaged() -> bool:
    """Whether the site is the file that the package has installed, by dpkg's own checksum."""
    known = run(["dpkg-query", "--show", "--showformat=${Conffiles}", PACKAGE], check=False).stdout
    found = re.search(rf"^ {re.escape(str(SITE))} ([0-9a-f]{{32}})$", known, re.MULTILINE)
    file = read(SITE)
    return found is not None and file is not None and md5(file.content, usedforsecurity=False).hexdigest() == found[1]
