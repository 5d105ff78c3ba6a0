"""Strangers, as a process in their network namespace: each way is tried over and over with new connections.

    python3 strangers.py HOSTNAME WAYS    WAYS is JSON: [{"way", "address", "port", "kind", "every_ms"}, ...]

They go on until standard input ends. Then JSON tells what came of the attempts: per way the longest time in which none
began, and the attempts in a row that ended alike. One loop on bare sockets costs a fraction of what a runtime with
promises does, and the processor is needed by what is watched.
"""

import errno
import json
import math
import os
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Generator
from typing import Any

# Seconds for an answer to the first packet, and for all that follows. Where packets are dropped, the first is all that
# is waited for: the kernel would send a second one only after 1 s.
FIRST = {"tls": 0.25, "http": 0.25, "port": 0.9, "ssh": 3.0}
REST = {"tls": 5.0, "http": 5.0, "port": 10.0, "ssh": 10.0}
# Attempts on one way at a time: enough that new ones begin while the edge waits for a host that does not answer. sshd
# turns some away from ten on that have not logged in (MaxStartups).
MOST = {"tls": 128, "http": 128, "port": 64, "ssh": 2}
READ, WRITE = select.EPOLLIN, select.EPOLLOUT
# Offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h): 8 bytes, then 23 words.
TOTAL_RETRANS = 8 + 23 * 4

Course = Generator[int, None, str]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Way:
    """One way, and what has come of it so far."""

    def __init__(self, way: str, address: str, port: int, kind: str, every_ms: int) -> None:
        self.name = way
        self.target = (address, port)
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.kind = kind
        self.every = every_ms / 1000
        self.next = time.monotonic()
        self.last = self.next
        self.gap = 0.0
        self.live = 0
        self.runs: list[dict[str, Any]] = []

    @property
    def has_room(self) -> bool:
        """Whether one more attempt may begin."""
        return self.live < MOST[self.kind]

    def begin(self, now: float) -> bool:
        """Whether an attempt begins now."""
        if now < self.next or not self.has_room:
            return False
        self.rest(now)
        self.next = max(self.next + self.every, now)
        return True

    def rest(self, now: float) -> None:
        """Notes how long no attempt has begun."""
        self.gap = max(self.gap, now - self.last)
        self.last = now

    def ended(self, at: int, answer: str) -> None:
        """Takes the outcome of the attempt that began at a time."""
        run = self.runs[-1] if self.runs else None
        if run is None or run["answer"] != answer:
            self.runs.append({"way": self.name, "answer": answer, "at": at, "until": at, "count": 1})
        else:
            run["until"] = max(run["until"], at)
            run["count"] += 1


class Attempt:
    """One connection."""

    def __init__(self, way: Way, hostname: str, context: ssl.SSLContext) -> None:
        self.way = way
        self.at = now_ms()
        self.deadline = time.monotonic() + FIRST[way.kind]
        self.connected = False
        self.socket = socket.socket(way.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.descriptor = self.socket.fileno()
        self.course = {"port": self.port, "ssh": self.banner}.get(way.kind, lambda: self.ping(hostname, context))()
        way.live += 1

    def connect(self) -> Generator[int, None, None]:
        """Waits until the other side has answered the first packet. Raises OSError where it refuses."""
        error = self.socket.connect_ex(self.way.target)
        if error == errno.EINPROGRESS:
            yield WRITE
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self.connected = True
        self.deadline = time.monotonic() + REST[self.way.kind]

    def port(self) -> Course:
        """`open` if the port takes connections.

        The handshake's last packet is held back and never sent, so that the program behind the port does not learn of
        the connection: sshd, which starts a process for each, would cost more than all other attempts together.
        """
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        yield from self.connect()
        return "open"

    def banner(self) -> Course:
        """`banner` if sshd has answered as it should."""
        yield from self.connect()
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TOTAL_RETRANS + 4)
        if struct.unpack_from("I", info, TOTAL_RETRANS)[0]:
            return "first packet dropped"
        yield READ
        said = self.socket.recv(256)
        return "banner" if said.startswith(b"SSH-") else f"no banner but {said!r}"

    def ping(self, hostname: str, context: ssl.SSLContext) -> Course:
        """`pong` if Immich itself has answered, else the status."""
        yield from self.connect()
        if self.way.kind == "tls":
            secured = context.wrap_socket(self.socket, server_hostname=hostname, do_handshake_on_connect=False)
            self.socket = secured
            yield from waiting(secured.do_handshake)
        request = f"GET /api/server/ping HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n\r\n"
        self.socket.sendall(request.encode())
        answer = b""
        while part := (yield from waiting(lambda: self.socket.recv(65536))):
            answer += part
        if not answer.startswith(b"HTTP/"):
            return "closed"
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1].decode()
        # The redirect to the login has a token in base64, which contains any four letters now and then.
        return "pong" if status == "200" and b"pong" in body else status


def waiting(call: Any) -> Generator[int, None, Any]:
    """Repeats a call on a socket until it need not wait any more."""
    while True:
        try:
            return call()
        except (ssl.SSLWantReadError, BlockingIOError):
            yield READ
        except ssl.SSLWantWriteError:
            yield WRITE


class Strangers:
    """All ways at once."""

    def __init__(self, hostname: str, ways: list[Way]) -> None:
        self.hostname = hostname
        self.ways = ways
        self.poll = select.epoll()
        self.live: dict[int, Attempt] = {}
        # Any answer is a finding, whatever certificate comes with it.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def run(self) -> None:
        """Tries until standard input ends, and then waits for what is under way."""
        self.poll.register(0, select.EPOLLIN)
        going = True
        while going or self.live:
            due = min((way.next for way in self.ways if going and way.has_room), default=math.inf)
            for descriptor, _ in self.poll.poll(max(0.0, min(due - time.monotonic(), 0.05))):
                if descriptor in self.live:
                    self.step(self.live[descriptor])
                elif descriptor == 0 and not os.read(0, 4096):
                    going = False
                    self.poll.unregister(0)
                    for way in self.ways:
                        way.rest(time.monotonic())
            now = time.monotonic()
            for attempt in [one for one in self.live.values() if one.deadline < now]:
                self.end(attempt, "no answer" if attempt.connected else "dropped")
            if going:
                for way in self.ways:
                    if way.begin(now):
                        attempt = Attempt(way, self.hostname, self.context)
                        self.live[attempt.descriptor] = attempt
                        self.poll.register(attempt.descriptor, 0)
                        self.step(attempt)

    def step(self, attempt: Attempt) -> None:
        """Goes on with an attempt whose socket is ready."""
        try:
            self.poll.modify(attempt.descriptor, next(attempt.course))
        except StopIteration as end:
            self.end(attempt, end.value)
        except ssl.SSLError as error:
            self.end(attempt, f"TLS: {error.reason or error}")
        except OSError as error:
            self.end(attempt, errno.errorcode.get(error.errno or 0, str(error)))

    def end(self, attempt: Attempt, answer: str) -> None:
        """Notes an attempt's outcome."""
        del self.live[attempt.descriptor]
        self.poll.unregister(attempt.descriptor)
        attempt.socket.close()
        attempt.way.live -= 1
        attempt.way.ended(attempt.at, answer)


def main() -> None:
    """Tries, and tells."""
    hostname, ways = sys.argv[1], [Way(**way) for way in json.loads(sys.argv[2])]
    Strangers(hostname, ways).run()
    gaps = {way.name: round(1000 * way.gap) for way in ways}
    json.dump({"gaps": gaps, "attempts": [run for way in ways for run in way.runs]}, sys.stdout)


main()
