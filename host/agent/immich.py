"""Asks Immich itself whether it is there."""

import http.client

from agent.errors import HostError

SECONDS = 3.0


def require_immich(upstream: str) -> None:
    """Raises HostError unless Immich answers at `address:port`."""
    host, _, port = upstream.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=SECONDS)
    try:
        connection.request("GET", "/api/server/ping")
        answer = connection.getresponse()
        body = answer.read(1024)
    except (OSError, http.client.HTTPException) as error:
        raise HostError(f"Immich does not answer on {upstream} ({error})") from None
    finally:
        connection.close()
    if answer.status != 200 or b"pong" not in body:
        raise HostError(f"what answers on {upstream} is not Immich (status {answer.status})")
