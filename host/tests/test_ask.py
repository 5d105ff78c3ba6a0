import contextlib
import errno
import resource
import socketserver
import threading
import time
import unittest
from collections.abc import Generator
from pathlib import Path
from unittest import mock

from agent import immich
from agent.ways_in.ask import Outcome, ask
from agent.ways_in.exchange import Place

PATH = "/api/server/ping"
PONG = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"res":"pong"}'
UNKNOWN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class Pong(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if self.rfile.readline().startswith(b"GET "):
            self.wfile.write(PONG)


class PongForOneName(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        lines = iter(self.rfile.readline, b"\r\n")
        if next(lines, b"").startswith(b"GET "):
            known = any(line.strip().lower() == b"host: photos.example.org" for line in lines)
            self.wfile.write(PONG if known else UNKNOWN)


class Drip(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            for _ in range(200):
                self.request.sendall(b"x")
                time.sleep(0.1)


@contextlib.contextmanager
def served(handler: type[socketserver.BaseRequestHandler]) -> Generator[int, None, None]:
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.request_queue_size = 64
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def asked(port: int, *names: str) -> Outcome:
    (outcome,) = ask([Place("127.0.0.1", port, False, ("", *names))], [PATH])
    return outcome


class Asking(unittest.TestCase):
    def test_a_server_that_answers_400_to_an_unknown_host_is_asked_under_its_names(self) -> None:
        with served(PongForOneName) as port:
            replies = asked(port, "photos.example.org").replies[PATH]
        self.assertEqual([one.name for one in replies if b"pong" in one.body], ["photos.example.org"])

    def test_every_listener_is_asked_however_few_files_may_be_open(self) -> None:
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(served(Pong)) for _ in range(40)]
            places = [Place("127.0.0.1", port, False, ("", "a.example", "b.example")) for port in ports]
            used = max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 1
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            # Enough for the servers' ends of the connections, too.
            few = used + 24
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
            try:
                with mock.patch("agent.ways_in.exchange._MOST_CONNECTIONS", 6):
                    outcomes = ask(places, [PATH])
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual({len(one.replies[PATH]) for one in outcomes}, {3})

    def test_what_this_process_lacks_is_told(self) -> None:
        lack = OSError(errno.EMFILE, "Too many open files")
        with served(Pong) as port, mock.patch("asyncio.open_connection", side_effect=lack):
            outcome = asked(port)
        self.assertEqual((outcome.trouble, outcome.is_http), ("cannot be asked (Too many open files)", True))


class Pinging(unittest.TestCase):
    def test_an_answer_that_never_ends_is_given_up(self) -> None:
        with served(Drip) as port, mock.patch.object(immich, "SECONDS", 0.5):
            started = time.monotonic()
            with self.assertRaisesRegex(Exception, "Immich does not answer"):
                immich.require_immich(f"127.0.0.1:{port}")
            self.assertLess(time.monotonic() - started, 5)
