"""Asks the verifier for its status, as nginx's user."""

import http.client
import os
import pwd
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from agent.access.encoding import parse_json_object
from agent.errors import HostError

SOCKET = "/run/immich-access-verifier.sock"
# systemd may have to start the verifier first.
TIMEOUT_SECONDS = 15.0


class _Connection(http.client.HTTPConnection):
    """HTTP over the verifier's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def status(user: str) -> dict[str, Any]:
    """The verifier's status, requested as `user`; raises HostError if it does not answer."""
    connection = _Connection("verifier", timeout=TIMEOUT_SECONDS)
    try:
        with _acting_as(user):
            connection.connect()
        connection.request("GET", "/")
        return parse_json_object(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HostError(
            f"the verifier of Access's tokens does not answer {user} ({error}); "
            "`systemctl status immich-access-verifier` on the host tells why"
        ) from None
    finally:
        connection.close()


def sites(user: str) -> dict[str, dict[str, Any]]:
    """The verifier's status of each site; see agent.access.verifier."""
    return cast("dict[str, dict[str, Any]]", status(user)["sites"])


@contextmanager
def _acting_as(user: str) -> Generator[None, None, None]:
    """Runs the body with the user's effective id."""
    own = os.geteuid()
    try:
        os.seteuid(pwd.getpwnam(user).pw_uid)
    except KeyError:
        raise HostError(f"nginx's user {user} does not exist on this host") from None
    try:
        yield
    finally:
        os.seteuid(own)
