"""The verifier's side of a connection from nginx: as much of HTTP as nginx's subrequests need.

A connection is kept and carries one request at a time. One that sends anything else, such as a body or a second request
before the answer to the first one, is closed without an answer, so that no answer is ever taken for another request's;
nginx refuses a request without one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

LONGEST_REQUEST = 32 * 1024
# From a request's first byte to its last one. An idle connection is nginx's to close.
REQUEST_SECONDS = 5.0

END = b"\r\n\r\n"


class Request(NamedTuple):
    """A request without a body."""

    path: str
    # All headers, by their names in lower case, in the request's order
    headers: list[tuple[bytes, bytes]]
    # Whether the connection is kept after the answer
    is_kept: bool

    def values(self, name: bytes) -> list[str]:
        """The values of a header."""
        return [value.decode(errors="replace") for one, value in self.headers if one == name]


class Response(NamedTuple):
    """An answer."""

    status: str
    # For how many seconds nginx may cache it
    cached: int = 0
    body: str = ""


BAD_REQUEST = Response("400 Bad Request")

# Answers at once, or later.
Answer = Callable[[Request], Response | Awaitable[Response]]


def parse_request(head: bytes) -> Request | None:
    """The request in the bytes up to the empty line; None unless it is a GET without a body in HTTP/1.0 or 1.1."""
    line, *lines = head.split(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or parts[0] != b"GET" or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return None
    headers: list[tuple[bytes, bytes]] = []
    is_kept = parts[2] == b"HTTP/1.1"
    for one in lines:
        name, colon, value = one.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        # A name that begins with a space would go on with the line before.
        if not colon or not name or name != name.strip() or name in (b"content-length", b"transfer-encoding"):
            return None
        if name == b"connection" and value.lower() == b"close":
            is_kept = False
        headers.append((name, value))
    return Request(parts[1].decode(errors="replace"), headers, is_kept)


class Connection(asyncio.Protocol):
    """Reads requests and answers them, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._later: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        del exc
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        received = self._received + data if self._received else data
        end = received.find(END)
        is_whole = end == len(received) - len(END) and end >= 0
        if self._later is not None or len(received) > LONGEST_REQUEST or (end >= 0 and not is_whole):
            self._close()
        elif is_whole:
            self._received = b""
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            self._take(parse_request(received[:end]))
        else:
            self._received = received
            if self._deadline is None:
                self._deadline = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._close)

    def _take(self, request: Request | None) -> None:
        if request is None:
            self._send(BAD_REQUEST, is_kept=False)
            return
        response = self._answer(request)
        if isinstance(response, Response):
            self._send(response, request.is_kept)
        else:
            self._later = asyncio.get_running_loop().create_task(self._wait(response, request.is_kept))

    async def _wait(self, response: Awaitable[Response], is_kept: bool) -> None:
        try:
            answer = await response
        except Exception:
            # As asyncio does with what fails at once
            self._close()
            raise
        self._later = None
        self._send(answer, is_kept)

    def _send(self, response: Response, is_kept: bool) -> None:
        if self._transport is None:
            return
        self._transport.write(_text(response, is_kept))
        if not is_kept:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            # What is written already is sent first.
            self._transport.close()


def _text(response: Response, is_kept: bool) -> bytes:
    content = response.body.encode()
    # An answer with the status 204 has no length: RFC 9110, section 8.6.
    length = "" if response.status.startswith("204") else f"Content-Length: {len(content)}\r\n"
    connection = "" if is_kept else "Connection: close\r\n"
    head = f"HTTP/1.1 {response.status}\r\nX-Accel-Expires: {response.cached}\r\n{length}{connection}\r\n"
    return head.encode() + content
