"""Answers nginx whether a request carries a token of the site's Access application.

nginx sends `GET /<site>` with the token as a header to a unix socket of systemd's; the answer is 204 or 403. `GET /`
returns the status. The verifier is read-only, has no network and runs as its own user: it reads the files of
agent.access.record, and can only ask systemd to refresh the keys.
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from agent.access import record, revision
from agent.access.keys import parse_keys
from agent.access.record import Application, parse_application
from agent.access.rs256 import PublicKey
from agent.access.tokens import RefusedError, UnknownKeyError, check_token
from agent.display import displayable

TOKEN_HEADER = b"cf-access-jwt-assertion"
LONGEST_REQUEST = 32 * 1024
REQUEST_SECONDS = 5.0

# How long nginx may cache an answer, so that a page of thumbnails asks once.
CACHED_SECONDS = 5

# The first file descriptor that systemd passes: sd_listen_fds(3)
FIRST_DESCRIPTOR = 3

# The path unit watches this file in the service's runtime folder.
SIGNAL = "unknown-key"
# Anybody can name a key that does not exist, so ask Cloudflare at most once a minute.
SIGNAL_SECONDS = 60.0
# How long a request waits for the refresh that it caused.
REFRESH_SECONDS = 5.0

Value = TypeVar("Value")


class _Watched(Generic[Value]):
    """Caches parsed files and reads them again when they change."""

    def __init__(self, read: Callable[[bytes], Value]) -> None:
        self._read = read
        self._known: dict[Path, tuple[tuple[int, int, int], Value]] = {}

    def value(self, path: Path) -> Value:
        """The file's present value; raises OSError or ValueError if it cannot be read."""
        stat = path.stat()
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = self._known[path] = (mark, self._read(path.read_bytes()))
        return known[1]


class Verifier:
    """Verifies tokens by the files on the host."""

    def __init__(self, runtime: Path, version: str) -> None:
        self._signal = runtime / SIGNAL
        self._version = version
        self._applications = _Watched(parse_application)
        self._keys = _Watched(parse_keys)
        self._signalled = -SIGNAL_SECONDS

    async def decide(self, site: str, token: str) -> float:
        """Returns the token's expiry; raises RefusedError. Waits for a refresh if the key is unknown."""
        application = self._application(site)
        keys = self._team_keys(application)
        try:
            return self._check(application, token, keys)
        except UnknownKeyError:
            deadline = self._request_keys() + REFRESH_SECONDS
            while time.monotonic() < deadline:
                await asyncio.sleep(0.1)
                fresh = self._team_keys(application)
                if fresh is not keys:
                    return self._check(application, token, fresh)
            raise

    def status(self) -> str:
        """The status as JSON: the agent's version, and each site's application and number of keys."""
        sites = {path.stem: self._site_status(path.stem) for path in record.SITES.glob("*.json")}
        return json.dumps({"version": self._version, "sites": sites})

    def _site_status(self, site: str) -> dict[str, object]:
        try:
            application = self._application(site)
            return {
                "audience": application.audience,
                "teamDomain": application.team_domain,
                "keys": len(self._team_keys(application)),
            }
        except RefusedError as error:
            return {"problem": str(error)}

    def _application(self, site: str) -> Application:
        try:
            return self._applications.value(record.site_path(site))
        except FileNotFoundError:
            raise RefusedError("the site has no Access application yet") from None
        except (OSError, ValueError) as error:
            raise RefusedError(f"the site's application cannot be read ({error})") from None

    def _team_keys(self, application: Application) -> dict[str, PublicKey]:
        try:
            return self._keys.value(record.keys_path(application.team_domain))
        except (OSError, ValueError) as error:
            raise RefusedError(f"there are no keys of {application.team_domain} ({error})") from None

    def _check(self, application: Application, token: str, keys: Mapping[str, PublicKey]) -> float:
        return check_token(token, application.audience, application.issuer, keys, time.time())

    def _request_keys(self) -> float:
        """Requests a refresh of the keys, rate limited; returns the time of the last request."""
        now = time.monotonic()
        if now - self._signalled >= SIGNAL_SECONDS:
            self._signalled = now
            self._signal.write_text("", encoding="ascii")
        return self._signalled


async def _serve(verifier: Verifier, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
        writer.write(await _answer(verifier, request))
        await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, ConnectionError):
        # Fails closed: nginx refuses the request without an answer.
        pass
    finally:
        writer.close()


async def _answer(verifier: Verifier, request: bytes) -> bytes:
    line, *headers = request[:-4].split(b"\r\n")
    method, _, rest = line.decode(errors="replace").partition(" ")
    path = rest.partition(" ")[0]
    if method != "GET" or not path.startswith("/") or "/" in path[1:] or ".." in path:
        return _response("400 Bad Request")
    if path == "/":
        return _response("200 OK", body=verifier.status())
    named = (header.partition(b":") for header in headers)
    tokens = [value.strip().decode(errors="replace") for name, _, value in named if name.lower() == TOKEN_HEADER]
    try:
        if len(tokens) != 1:
            raise RefusedError("it has no token")
        ends = await verifier.decide(path[1:], tokens[0])
    except RefusedError as error:
        print(displayable(f"{path[1:]}: a request was refused: {error}"), file=sys.stderr, flush=True)
        return _response("403 Forbidden")
    return _response("204 No Content", cached=max(0, min(CACHED_SECONDS, int(ends - time.time()))))


def _response(status: str, cached: int = 0, body: str = "") -> bytes:
    content = body.encode()
    head = f"HTTP/1.0 {status}\r\nX-Accel-Expires: {cached}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _run() -> None:
    verifier = Verifier(Path(os.environ["RUNTIME_DIRECTORY"]), revision.of_disk())
    server = await asyncio.start_unix_server(
        lambda reader, writer: _serve(verifier, reader, writer),
        sock=socket.socket(fileno=FIRST_DESCRIPTOR),
        limit=LONGEST_REQUEST,
        backlog=socket.SOMAXCONN,
    )
    await server.serve_forever()


def run() -> None:
    """Serves forever on the socket that systemd passes."""
    asyncio.run(_run())
