"""Connects to nginx without a client certificate, to see what it really serves."""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

from agent.errors import HostError
from agent.firewall.rules import HTTPS_PORT
from agent.nginx.listen import Endpoint

# A name that no server can have
UNKNOWN_NAME = "unknown.invalid"
# A connection queued at an exiting worker is reset, so try again.
PATIENCE = 3.0


def serves(site: str, fingerprint: str, places: Sequence[Endpoint]) -> bool:
    """Whether nginx shows the certificate with this SHA-256 fingerprint for the site at a place."""
    return any(_shown(site, place) == fingerprint for place in places)


def require_certificate(site: str, fingerprint: str, places: Sequence[Endpoint]) -> None:
    """Raises HostError unless nginx shows the certificate for the site at one of the places."""
    failure = (
        f"nginx does not serve the certificate {fingerprint[:16]} for {site} at {' or '.join(map(_words, places))}"
    )
    _require_eventually(lambda: serves(site, fingerprint, places), failure)


def require_client_certificate(site: str, place: Endpoint) -> None:
    """Raises HostError unless the site refuses clients without a certificate."""

    def refused() -> bool:
        answer = _ask(site, place)
        return answer.startswith(b"HTTP/1.1 400 ") and b"No required SSL certificate was sent" in answer

    _require_eventually(refused, f"nginx does not ask clients of {site} at {_words(place)} for a certificate")


def require_unknown_names_refused(place: Endpoint) -> None:
    """Raises HostError if nginx answers under an unknown name."""
    failure = f"nginx answers at {_words(place)} under names that are not its own"
    _require_eventually(lambda: _ask(UNKNOWN_NAME, place) == b"", failure)


def _words(place: Endpoint) -> str:
    """An address without the usual port, which people take for granted."""
    return place.address if place.port == HTTPS_PORT else f"{place.address} port {place.port}"


def _require_eventually(right: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + PATIENCE
    reason = ""
    while True:
        try:
            if right():
                return
        except OSError as error:
            reason = f" ({error.strerror or error})"
        if time.monotonic() > deadline:
            raise HostError(f"{failure}{reason}")
        time.sleep(0.05)


def _shown(site: str, place: Endpoint) -> str | None:
    """The fingerprint of the certificate that nginx shows for the site, or None if it shows none."""
    try:
        with _connect(site, place) as connection:
            return sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return None


def _ask(name: str, place: Endpoint) -> bytes:
    """The answer to a request for `/`, empty if the name is refused before one."""
    try:
        with _connect(name, place) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while len(answer) < 65536 and (part := connection.recv(65536)):
                answer += part
            return answer
    except ssl.SSLError:
        return b""


def _connect(name: str, place: Endpoint) -> ssl.SSLSocket:
    # No chain verification: only Cloudflare trusts the origin CA, and the fingerprint identifies the certificate.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(place, timeout=5), server_hostname=name)
