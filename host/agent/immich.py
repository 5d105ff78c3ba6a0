"""Checks whether an upstream is Immich or immich-public-proxy."""

import contextlib
import http.client
import socket
import threading
import time
from typing import NamedTuple

from agent.errors import HostError, RefusedError

SECONDS = 3.0
PING = "/api/server/ping"
# Of immich-public-proxy
SHARES_HEALTH = "/share/healthcheck"


class _Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def is_immich(self) -> bool:
        """Whether this is Immich's answer to a ping."""
        return self.status == 200 and b"pong" in self.body


def require_immich(upstream: str) -> None:
    """Raises HostError unless Immich answers at `address:port`."""
    answer = _ping(upstream)
    if isinstance(answer, Exception):
        raise HostError(f"Immich does not answer on {upstream} ({answer})")
    if not answer.is_immich:
        raise HostError(f"what answers on {upstream} is not Immich (status {answer.status})")


def refuse_immich(upstream: str) -> None:
    """Raises HostError if Immich itself answers at `address:port`, the upstream of a public site."""
    answer = _ping(upstream)
    if isinstance(answer, _Answer) and answer.is_immich:
        raise RefusedError(
            f"{upstream} is Immich itself, which would be public; set publicShareUpstream to the address of "
            "immich-public-proxy"
        )


def require_public_proxy(upstream: str) -> None:
    """Raises HostError unless immich-public-proxy answers at `address:port` and reaches Immich."""
    refuse_immich(upstream)
    answer = _get(upstream, SHARES_HEALTH)
    if isinstance(answer, Exception):
        raise HostError(f"immich-public-proxy does not answer on {upstream} ({answer})")
    if answer.status == 503:
        raise HostError(f"immich-public-proxy on {upstream} does not reach Immich; look at its IMMICH_URL")
    if answer.status != 200:
        raise HostError(f"what answers on {upstream} is not immich-public-proxy (status {answer.status})")


def health_of(upstream: str) -> bytes | None:
    """What immich-public-proxy at `address:port` says about its health, which tells it from others; None if nothing."""
    answer = _get(upstream, SHARES_HEALTH)
    return answer.body.strip() if isinstance(answer, _Answer) and answer.status == 200 else None


def _ping(upstream: str) -> _Answer | Exception:
    return _get(upstream, PING)


def _get(upstream: str, path: str) -> _Answer | Exception:
    """The answer to a request, or why there was none."""
    host, _, port = upstream.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=SECONDS)
    try:
        connection.connect()
        # The connection's own limit is for each part of an answer, of which there may be many.
        end = threading.Timer(SECONDS, _cut, [connection.sock])
        end.start()
        started = time.monotonic()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read(1024)
            # What was cut looks like an answer that has ended.
            in_time = time.monotonic() - started < SECONDS
            return _Answer(answer.status, body) if in_time else TimeoutError("timed out")
        finally:
            end.cancel()
    except (OSError, http.client.HTTPException) as error:
        return error
    finally:
        connection.close()


def _cut(connection: socket.socket) -> None:
    """Ends a connection, whoever waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
