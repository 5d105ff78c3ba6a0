"""Exchanges one request for its answer with a listener, over TCP or TLS, not too many at once."""

import asyncio
import contextlib
import contextvars
import re
import resource
import ssl
from collections.abc import AsyncGenerator, Awaitable
from typing import NamedTuple

from agent.ways_in import http2

_LIMIT_BYTES = 65536
# At once, as far as the process may have so many files open
_MOST_CONNECTIONS = 200
# A program that speaks first, such as sshd, speaks no HTTP. It is left alone, without a line in its log.
_BANNER_SECONDS = 0.1
# No private address and no 127.0.0.1, so what is only for the home network or the host turns it away.
_STRANGE_SOURCE = "127.99.0.1"

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)


class Place(NamedTuple):
    """Where to connect, and the names to ask for."""

    address: str
    port: int
    # Whether the request may seem to come from nowhere in particular; only listeners of the host itself take that
    is_own: bool
    names: tuple[str, ...]


_gate: contextvars.ContextVar[asyncio.Semaphore] = contextvars.ContextVar("gate")


def open_gate() -> None:
    """Lets so many connections of this context be open at once as the process may have."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    _gate.set(asyncio.Semaphore(max(1, min(_MOST_CONNECTIONS, allowed // 3))))


async def exchange(
    place: Place, tls: str | None, text: bytes, protocol: str = "http/1.1", banner: bool = False
) -> bytes:
    """Sends a request, and returns what comes back until the answer is complete or the connection ends."""
    data = b""
    async with connected(place, None if tls is None else tls_context(protocol), tls or "") as (reader, writer):
        # What it has sent before it ends the connection still counts.
        with contextlib.suppress(ConnectionError):
            if banner:
                with contextlib.suppress(asyncio.TimeoutError):
                    return await asyncio.wait_for(reader.read(_LIMIT_BYTES), _BANNER_SECONDS)
            writer.write(text)
            while len(data) < _LIMIT_BYTES and not _is_complete(data):
                part = await reader.read(_LIMIT_BYTES)
                if not part:
                    break
                data += part
    return data


@contextlib.asynccontextmanager
async def connected(
    place: Place, context: ssl.SSLContext | None, name: str
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """A connection for the body, once there are not too many."""
    async with _gate.get():
        reader, writer = await _connect(place, context, name)
        try:
            yield reader, writer
        finally:
            writer.close()


async def _connect(
    place: Place, context: ssl.SSLContext | None, name: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    def opened(source: tuple[str, int] | None) -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        # An empty name sends none.
        server = None if context is None else _ascii(name)
        return asyncio.open_connection(
            place.address, place.port, ssl=context, server_hostname=server, local_addr=source
        )

    if place.is_own and ":" not in place.address:
        try:
            return await opened((_STRANGE_SOURCE, 0))
        except ssl.SSLError:
            raise
        except OSError:
            # The host's own rules may not let that address in.
            pass
    return await opened(None)


def tls_context(protocol: str) -> ssl.SSLContext:
    """TLS with anybody, for one protocol in ALPN's terms."""
    # Whoever answers is not trusted with anything, so neither its certificate nor the strength of TLS matters.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols([protocol])
    return context


def _ascii(name: str) -> str:
    """The name as TLS can carry it; empty if it cannot."""
    try:
        return name.encode("idna").decode() if not name.startswith(".") else ""
    except UnicodeError:
        return ""


def host_of(place: Place, name: str) -> str:
    """What a request for a name has as its host: the address for the empty name."""
    address = f"[{place.address}]" if ":" in place.address else place.address
    return (name or address)[:120]


def request_for(host: str, path: str) -> bytes:
    """A request for a path, after which the connection is to be closed."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: immich-access\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode()


def _is_complete(data: bytes) -> bool:
    """Whether nothing more is to be expected of a connection that is left open."""
    if http2.is_settings(data):
        return http2.read(data).is_complete
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or not head.startswith(b"HTTP/"):
        # Only a program that speaks something else sends a line or more without a head.
        return bool(data) and not data.startswith(b"HTTP/")
    length = _LENGTH.search(head + b"\r\n")
    if length is not None:
        return len(body) >= int(length[1])
    return body.endswith(b"0\r\n\r\n")
