"""Installs and starts the units that check tokens."""

from collections.abc import Mapping
from pathlib import Path

from agent.access import client, revision
from agent.errors import HostError, RefusedError
from agent.files import File, files_replaced, files_to_change, write
from agent.nginx import service
from agent.nginx.text import fill_template
from agent.system import run

UNITS = Path("/etc/systemd/system")
SOCKET = "immich-access-verifier.socket"
VERIFIER = "immich-access-verifier.service"
REFRESH = "immich-access-keys.service"
TIMER = "immich-access-keys.timer"
# The units that start at boot and start the others.
STARTING = (SOCKET, TIMER, "immich-access-keys.path")
NAMES = (*STARTING, VERIFIER, REFRESH)


def wanted_files(modules: Mapping[str, str], user: str) -> dict[Path, File | None]:
    """The unit files for an nginx that runs as `user`; raises HostError if nginx has no auth_request module."""
    if not service.is_built_with("http_auth_request_module"):
        raise RefusedError(
            "this host's nginx cannot ask about tokens: `nginx -V` does not list --with-http_auth_request_module; "
            "install the distribution's nginx, or set originJwtCheck to false"
        )
    texts = {name: modules[f"agent/units/{name}"] for name in NAMES}
    texts[SOCKET] = fill_template(modules, f"agent/units/{SOCKET}", user=user)
    return {UNITS / name: File(text.encode()) for name, text in texts.items()}


def install(modules: Mapping[str, str]) -> None:
    """Installs and starts this agent's version of the verifier. Fails closed: 403 for a site without an application."""
    user = service.worker_user()
    changed = files_to_change(wanted_files(modules, user))
    # systemd finds new units when they are started, so only changed ones need a reload.
    stale = any(path.exists() for path in changed)
    with files_replaced(changed):
        if stale:
            run(["systemctl", "daemon-reload"])
        if UNITS / SOCKET in changed and stale:
            # systemd changes a socket's owner only when it starts the socket.
            run(["systemctl", "stop", SOCKET, VERIFIER])
        for verb in ("enable", "start"):
            run(["systemctl", "--no-reload", verb, "--quiet", *STARTING])
        is_current = client.status(user).get("version") == revision.of(modules)
        if not is_current or (UNITS / VERIFIER in changed and stale):
            # Requests wait in the socket meanwhile.
            run(["systemctl", "restart", VERIFIER])
            if client.status(user).get("version") != revision.of(modules):
                raise HostError(
                    "the verifier of Access's tokens runs another version than this one; "
                    "raise hostRevision and run `pulumi up` again"
                )


def remove() -> None:
    """Stops and removes the units, as far as they exist."""
    present = [name for name in NAMES if (UNITS / name).exists()]
    if not present:
        return
    run(["systemctl", "--no-reload", "disable", "--now", "--quiet", *present])
    for name in NAMES:
        write(UNITS / name, None)
    run(["systemctl", "daemon-reload"])
    # A failed refresh would otherwise stay in the list of failed units.
    run(["systemctl", "reset-failed", *NAMES], check=False)
