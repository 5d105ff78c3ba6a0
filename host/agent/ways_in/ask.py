"""Asks listeners for Immich: over HTTP and HTTPS, under several names, all at once and within a few seconds."""

import asyncio
import errno
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.ways_in import http2
from agent.ways_in.certificate_names import names_in
from agent.ways_in.exchange import Place, connected, exchange, host_of, open_gate, request_for, tls_context

# All of them together
SECONDS = 5.0
# Until a listener has shown what it speaks; the rest is for the names.
_DETECTION_SECONDS = 3.0
# After so much silence TLS is tried too.
_SILENCE_SECONDS = 0.8
# What this process lacks, as opposed to what a listener does
_OUR_LACK = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)

_TLS_ALERT = b"\x15\x03"
# Reasons in OpenSSL's words for which the other side does speak TLS
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "PACKET_LENGTH", "RECORD_LAYER", "UNKNOWN_PROTOCOL")
_WANTS_HTTP2 = "NO_APPLICATION_PROTOCOL"


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


def ask(places: Sequence[Place], paths: Sequence[str], seconds: float = SECONDS) -> list[Outcome]:
    """Asks every place for each path under each of its names, and under those in its certificate.

    An empty name stands for none: the address as the host, and no name in TLS's handshake.
    """
    return asyncio.run(_ask_all(places, paths, seconds)) if places else []


async def _ask_all(places: Sequence[Place], paths: Sequence[str], seconds: float) -> list[Outcome]:
    loop = asyncio.get_running_loop()
    # What becomes of connections that are given up is nobody's concern.
    loop.set_exception_handler(lambda _loop, _context: None)
    open_gate()
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
    data = await exchange(place, None, request_for(host_of(place, ""), path), banner=True)
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
        async with connected(place, tls_context("http/1.1"), name) as (_, writer):
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
    host = host_of(place, name)
    tls = server if speaks.tls else None
    if speaks.http2:
        text = http2.request(host, path, speaks.tls)
        response = http2.read(await exchange(place, tls, text, protocol="h2"))
        return Reply(name, response.is_ok, response.body, speaks.tls)
    data = await exchange(place, tls, request_for(host, path))
    if not data:
        raise ConnectionResetError
    head, _, body = data.partition(b"\r\n\r\n")
    return Reply(name, head[8:12] == b" 200", body, speaks.tls)


def _is_reason(error: ssl.SSLError, *reasons: str) -> bool:
    return any(reason in (error.reason or str(error)) for reason in reasons)
