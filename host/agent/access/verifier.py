"""Answers nginx whether a request carries a token of the site's Access application.

nginx sends `GET /<site>` with the token as a header to a unix socket of systemd's; the answer is 204 or 403. `GET /`
returns the status. The verifier is read-only, has no network and runs as its own user: it reads the files of
agent.access.record, and can only ask systemd to refresh the keys.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from agent.access import record, revision
from agent.access.connection import BAD_REQUEST, Connection, Request, Response
from agent.access.keys import parse_keys
from agent.access.record import Application, parse_application
from agent.access.rs256 import PublicKey
from agent.access.tokens import RefusedError, UnknownKeyError, check_token
from agent.display import displayable

TOKEN_HEADER = b"cf-access-jwt-assertion"

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

    def decide(self, site: str, token: str) -> float:
        """Returns the token's expiry; raises RefusedError."""
        application = self._application(site)
        return self._check(application, token, self._team_keys(application))

    async def decide_after_refresh(self, site: str, token: str) -> float:
        """The same for a token whose key is unknown: requests a refresh of the keys, and waits for it."""
        deadline = self._request_keys() + REFRESH_SECONDS
        while True:
            try:
                return self.decide(site, token)
            except UnknownKeyError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(0.1)

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


class Answers:
    """The answers to nginx's requests."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """The answer, which is there at once unless the token's key is unknown."""
        path = request.path
        site = path[1:]
        if not path.startswith("/") or "/" in site or ".." in site:
            return BAD_REQUEST
        if site == "":
            return Response("200 OK", body=self._verifier.status())
        tokens = request.values(TOKEN_HEADER)
        try:
            if len(tokens) != 1:
                raise RefusedError("it has no token")
            return _admitted(self._verifier.decide(site, tokens[0]))
        except UnknownKeyError:
            return self._after_refresh(site, tokens[0])
        except RefusedError as error:
            return _refused(site, error)

    async def _after_refresh(self, site: str, token: str) -> Response:
        try:
            return _admitted(await self._verifier.decide_after_refresh(site, token))
        except RefusedError as error:
            return _refused(site, error)


def _admitted(ends: float) -> Response:
    return Response("204 No Content", cached=max(0, min(CACHED_SECONDS, int(ends - time.time()))))


def _refused(site: str, error: RefusedError) -> Response:
    print(displayable(f"{site}: a request was refused: {error}"), file=sys.stderr, flush=True)
    return Response("403 Forbidden")


async def _run() -> None:
    answers = Answers(Verifier(Path(os.environ["RUNTIME_DIRECTORY"]), revision.of_disk()))
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    await loop.create_unix_server(
        lambda: Connection(answers), sock=socket.socket(fileno=FIRST_DESCRIPTOR), backlog=socket.SOMAXCONN
    )
    # Between two events, so that what has been read is answered. nginx asks anew on what has not.
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


def run() -> None:
    """Serves forever on the socket that systemd passes."""
    asyncio.run(_run())
