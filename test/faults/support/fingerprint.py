"""What a deployment leaves on a host: files with their modes, the kernel's rules, services. Prints JSON."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (
    "/etc/default/ufw",
    "/etc/immich-access",
    "/etc/nginx",
    "/etc/systemd/system",
    "/etc/ufw",
    "/run/systemd/system",
    "/usr/local/lib/immich-access",
    "/var/lib/immich-access",
)
COMMANDS = {
    "IPv4 rules": "iptables-save",
    "IPv6 rules": "ip6tables-save",
    "our table": "nft -s list table inet immich_access 2>/dev/null || true",
    "failed services": "systemctl list-units --failed --plain --no-legend",
    "ours": "systemctl list-units --all --plain --no-legend 'immich-access*' nginx.service ufw.service"
    # Whether systemd has read a unit that does not run is chance.
    """ | awk '$3 != "inactive" { print $1, $3, $4 }'""",
    "copies of ufw's files": "ls -d /run/immich-access.ufw.* 2>/dev/null || true",
    "agents": "pgrep --full --count 'python3 -I -c import json' || true",
}


def files(root: Path) -> Iterator[Path]:
    """A file or folder with everything below it."""
    yield root
    if root.is_dir() and not root.is_symlink():
        for path in sorted(root.iterdir()):
            yield from files(path)


def described(path: Path) -> str:
    """Kind, mode, owner and content in one text."""
    found = path.lstat()
    head = f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}"
    if path.is_symlink():
        return f"{head} -> {os.readlink(path)}"
    return head if path.is_dir() else f"{head}\n{path.read_text(errors='surrogateescape')}"


def printed(command: str) -> str:
    """The output of a command line."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


found = {str(path): described(path) for folder in FOLDERS if os.path.lexists(folder) for path in files(Path(folder))}
print(json.dumps({**found, **{name: printed(command) for name, command in COMMANDS.items()}}))
