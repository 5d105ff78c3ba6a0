"""Asks listeners for Immich: over HTTP and HTTPS, under several names, all at once and within a few seconds."""

import asyncio
import contextlib
import contextvars
import errno
import re
import resource
import ssl
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import NamedTuple

from agent.ways_in import http2
from agent.ways_in.certificate_names import names_in

# All of them together
SECONDS = 5.0
# Until a listener has shown what it speaks; the rest is for the names.
_DETECTION_SECONDS = 3.0
# A program that speaks first, such as sshd, speaks no HTTP. It is left alone, without a line in its log.
_BANNER_SECONDS = 0.1
# After so much silence TLS is tried too.
_SILENCE_SECONDS = 0.8
_LIMIT_BYTES = 65536
# At once, as far as the process may have so many files open
_MOST_CONNECTIONS = 200
# What this process lacks, as opposed to what a listener does
_OUR_LACK = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
# No private address and no 127.0.0.1, so what is only for the home network or the host turns it away.
_STRANGE_SOURCE = "127.99.0.1"

_TLS_ALERT = b"\x15\x03"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)
# Reasons in OpenSSL's words for which the other side does speak TLS
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "PACKET_LENGTH", "RECORD_LAYER", "UNKNOWN_PROTOCOL")
_WANTS_HTTP2 = "NO_APPLICATION_PROTOCOL"


class Place(NamedTuple):
    """Where to connect, and the names to ask for."""

    address: str
    port: int
    # Whether the request may seem to come from nowhere in particular; only listeners of the host itself take that
    is_own: bool
    names: tuple[str, ...]


class Reply(NamedTuple):
    """An HTTP response."""

    name: str
    is_ok: bool
    body: bytes
    tls: bool


class Outcome(NamedTuple):
    """What came of asking one place, by path."""

    replies: Mapping[str, Sequence[Reply]]
    # Why it has not answered everything; empty if it has, or if nobody is there
    trouble: str
    # Whether it speaks HTTP, as far as known
    is_http: bool


class _Speaks(NamedTuple):
    """What a listener speaks."""

    tls: bool
    http2: bool
    # Names in the certificate that it shows
    names: Sequence[str] = ()
    # Whether TLS may be what it wants, because it has refused a request in clear text
    is_unsure: bool = False


class _NoHttpError(Exception):
    """It speaks something else than HTTP."""


_gate: contextvars.ContextVar[asyncio.Semaphore] = contextvars.ContextVar("gate")


def ask(places: Sequence[Place], paths: Sequence[str], seconds: float = SECONDS) -> list[Outcome]:
    """Asks every place for each path under each of its names, and under those in its certificate.

    An empty name stands for none: the address as the host, and no name in TLS's handshake.
    """
    return asyncio.run(_ask_all(places, paths, seconds)) if places else []


async def _ask_all(places: Sequence[Place], paths: Sequence[str], seconds: float) -> list[Outcome]:
    loop = asyncio.get_running_loop()
    # What becomes of connections that are given up is nobody's concern.
    loop.set_exception_handler(lambda _loop, _context: None)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    _gate.set(asyncio.Semaphore(max(1, min(_MOST_CONNECTIONS, allowed // 3))))
    end = loop.time() + seconds
    return await asyncio.gather(*(_ask_place(place, paths, end) for place in places))


async def _ask_place(place: Place, paths: Sequence[str], end: float) -> Outcome:
    nothing: dict[str, list[Reply]] = {path: [] for path in paths}
    now = asyncio.get_running_loop().time
    try:
        speaks = await asyncio.wait_for(_detect(place, paths[0]), min(_DETECTION_SECONDS, end - now()))
    except (_NoHttpError, ConnectionRefusedError):
        return Outcome(nothing, "", is_http=False)
    except asyncio.TimeoutError:
        return Outcome(nothing, "did not answer in time", is_http=False)
    except OSError as error:
        return Outcome(nothing, f"cannot be asked ({error.strerror or error})", is_http=error.errno in _OUR_LACK)
    return await _ask_names(place, speaks, paths, end)


async def _ask_names(place: Place, speaks: _Speaks, paths: Sequence[str], end: float) -> Outcome:
    """Asks a listener of which it is known what it speaks."""
    replies: dict[str, list[Reply]] = {path: [] for path in paths}
    now = asyncio.get_running_loop().time
    names = list(dict.fromkeys([*place.names, *(name.replace("*", "any") for name in speaks.names)]))
    # Some servers choose by the name in the handshake and some by the one in the request: both, and the latter alone.
    pairs = [*((name, name) for name in names), *(("", name) for name in names if name and speaks.tls)]
    asked = [(path, server, name) for path in paths for server, name in pairs]
    tasks = [asyncio.ensure_future(_reply(place, speaks, server, name, path)) for path, server, name in asked]
    done, late = await asyncio.wait(tasks, timeout=max(0.1, end - now()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=0.1)
    trouble = "did not answer in time" if late else ""
    for task, (path, _, _) in zip(tasks, asked, strict=True):
        if task not in done:
            continue
        error = task.exception()
        if error is None:
            replies[path].append(task.result())
        elif not isinstance(error, (ConnectionError, ssl.SSLError)):
            # Neither an answer nor a refusal, so nothing is known.
            trouble = f"cannot be asked ({error})"
    if speaks.tls and not trouble and not any(replies.values()):
        return Outcome(replies, "closes every connection over TLS; it may want a client certificate", is_http=False)
    return Outcome(replies, trouble, is_http=True)


async def _detect(place: Place, path: str) -> _Speaks:
    """What a listener speaks; raises _NoHttpError for anything but HTTP and HTTPS."""
    plain = asyncio.ensure_future(_detect_plain(place, path))
    try:
        await asyncio.wait([plain], timeout=_SILENCE_SECONDS)
        if not plain.done():
            # Either of the two may have the answer, and neither has to come at all.
            secure = asyncio.ensure_future(_detect_tls(place))
            try:
                return await _first(plain, secure)
            finally:
                secure.cancel()
        found = plain.result()
        if found is not None and not found.is_unsure:
            return found
        try:
            return await _detect_tls(place)
        except _NoHttpError:
            if found is None:
                raise
            return found
    finally:
        plain.cancel()


async def _first(plain: "asyncio.Task[_Speaks | None]", secure: "asyncio.Task[_Speaks]") -> _Speaks:
    waiting: set[asyncio.Task[_Speaks | None] | asyncio.Task[_Speaks]] = {plain, secure}
    unsure: _Speaks | None = None
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            found = None if error is not None else task.result()
            if found is not None and not found.is_unsure:
                return found
            unsure = found or unsure
            # What is known to speak something else has been asked enough; a refused handshake has not.
            if error is not None and unsure is None and (task is plain or not waiting):
                raise error
    if unsure is not None:
        return unsure
    raise _NoHttpError


async def _detect_plain(place: Place, path: str) -> _Speaks | None:
    """HTTP in clear text, or None where TLS has to be tried."""
    data = await _exchange(place, None, _request(_host(place, ""), path), banner=True)
    if data.startswith(b"HTTP/"):
        # Servers answer 400 to what does not begin with a handshake, and to a host that they do not know.
        return _Speaks(tls=False, http2=False, is_unsure=data[8:12] == b" 400")
    if http2.is_settings(data):
        return _Speaks(tls=False, http2=True)
    if data and not data.startswith(_TLS_ALERT):
        raise _NoHttpError
    return None


async def _detect_tls(place: Place) -> _Speaks:
    for name in place.names:
        found = await _handshake(place, name)
        if found is not None:
            return found
    return _Speaks(tls=True, http2=False)


async def _handshake(place: Place, name: str) -> _Speaks | None:
    """What a handshake for a name shows; None if it is refused, as another may not be."""
    try:
        async with _connected(place, _context("http/1.1"), name) as (_, writer):
            secure = writer.get_extra_info("ssl_object")
            der = secure.getpeercert(binary_form=True) if secure is not None else None
            return _Speaks(tls=True, http2=False, names=names_in(der) if der else [])
    except ssl.SSLError as error:
        if _is_reason(error, *_NOT_TLS):
            raise _NoHttpError from None
        return _Speaks(tls=True, http2=True) if _is_reason(error, _WANTS_HTTP2) else None
    except ConnectionError:
        # It does not go on after the first bytes of TLS.
        raise _NoHttpError from None


async def _reply(place: Place, speaks: _Speaks, server: str, name: str, path: str) -> Reply:
    """The answer for a name, with `server` as the name in TLS's handshake."""
    host = _host(place, name)
    tls = server if speaks.tls else None
    if speaks.http2:
        text = http2.request(host, path, speaks.tls)
        response = http2.read(await _exchange(place, tls, text, protocol="h2"))
        return Reply(name, response.is_ok, response.body, speaks.tls)
    data = await _exchange(place, tls, _request(host, path))
    if not data:
        raise ConnectionResetError
    head, _, body = data.partition(b"\r\n\r\n")
    return Reply(name, head[8:12] == b" 200", body, speaks.tls)


async def _exchange(
    place: Place, tls: str | None, text: bytes, protocol: str = "http/1.1", banner: bool = False
) -> bytes:
    """Sends a request, and returns what comes back until the answer is complete or the connection ends."""
    data = b""
    async with _connected(place, None if tls is None else _context(protocol), tls or "") as (reader, writer):
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
async def _connected(
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


def _context(protocol: str) -> ssl.SSLContext:
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


def _host(place: Place, name: str) -> str:
    address = f"[{place.address}]" if ":" in place.address else place.address
    return (name or address)[:120]


def _request(host: str, path: str) -> bytes:
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


def _is_reason(error: ssl.SSLError, *reasons: str) -> bool:
    return any(reason in (error.reason or str(error)) for reason in reasons)
