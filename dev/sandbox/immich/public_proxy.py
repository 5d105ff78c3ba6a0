"""A small stand-in for immich-public-proxy: pages for shared links, and a health check that asks Immich.

It listens on 127.0.0.1, port 3000 or the one in its first argument, and says in its log what reached it:

    GET  /share/healthcheck   ok, or 503 where Immich does not answer on 127.0.0.1, port 2283
    GET  /, /share, /share/..., /s/...   a page
    POST /share/unlock        takes a password and forgets it
    any  else                 404
"""

import http.client
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 3000
IMMICH = ("127.0.0.1", 2283)
PAGE = b"<!doctype html><title>Shared album</title><h1>Shared album</h1>"


class PublicProxy(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "immich-public-proxy"

    def do_GET(self) -> None:
        """Pages and the health check."""
        path = self.path.split("?")[0]
        if path == "/share/healthcheck":
            if immich_answers():
                self.answer(b"ok")
            else:
                self.answer(b"", HTTPStatus.SERVICE_UNAVAILABLE)
        elif path in {"/", "/share"} or path.startswith(("/share/", "/s/")):
            self.answer(PAGE)
        else:
            self.answer(b"", HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """The password form."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(b"", HTTPStatus.OK if self.path == "/share/unlock" else HTTPStatus.NOT_FOUND)

    def answer(self, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Sends a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def immich_answers() -> bool:
    """Whether Immich answers its ping."""
    connection = http.client.HTTPConnection(*IMMICH, timeout=2)
    try:
        connection.request("GET", "/api/server/ping")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    """Serves until it is ended."""
    ThreadingHTTPServer.daemon_threads = True
    # As Node's: with Python's 5, connections that come at once over HTTP/2 wait a second or fail.
    ThreadingHTTPServer.request_queue_size = 511
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    server = ThreadingHTTPServer(("127.0.0.1", port), PublicProxy)
    print(f"immich-public-proxy listens on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
