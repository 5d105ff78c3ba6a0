"""A machine on the internet, as a process in its network namespace. It ends with its standard input.

    python3 bystander.py serve ADDRESS PORT    a web server; says "ready"
    python3 bystander.py stay ADDRESS PORT     a connection that is opened now (says "ready", or why not) and used when a
                                               line comes in; says "answered" or "silent"
"""

import socket
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 2.0


class Page(SimpleHTTPRequestHandler):
    """One page, whatever is asked for."""

    def do_GET(self) -> None:
        """Answers."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002
        """Says nothing."""


def serve(address: str, port: int) -> None:
    """A web server."""
    server = ThreadingHTTPServer((address, port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def stay(address: str, port: int) -> None:
    """A connection that has been there for long."""
    try:
        connection = socket.create_connection((address, port), timeout=SECONDS)
    except OSError as error:
        print(error, flush=True)
        return
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        connection.sendall(b"GET /api/server/ping HTTP/1.0\r\n\r\n")
        print("answered" if connection.recv(1) else "silent", flush=True)
    except OSError:
        print("silent", flush=True)


mode, where, number = sys.argv[1:]
{"serve": serve, "stay": stay}[mode](where, int(number))
