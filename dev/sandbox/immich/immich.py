"""A small stand-in for Immich: what a reverse proxy and a login in front of it can get wrong.

It listens on 127.0.0.1, port 2283 or the one in its first argument, answers the ping, takes uploads of any size without
keeping them, echoes over a websocket, and shows what reached it:

    GET  /api/server/ping     {"res": "pong"}
    POST /api/assets          counts and hashes the body as it comes
    GET  /api/debug/uploads   how many bytes of each upload have come so far, the newest last
    any  /api/debug/request   the request as it arrived here
    GET  /api/socket.io/      a websocket that sends back what it gets
"""

import base64
import hashlib
import json
import struct
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

PORT = 2283
BLOCK = 64 * 1024
KEPT_UPLOADS = 20
# RFC 6455, section 1.3
WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MOST_FRAME = 16 * 1024 * 1024

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Immich</title>
<style>
body { font: 16px system-ui, sans-serif; margin: 15vh auto; max-width: 34em; padding: 0 1em }
#state { font-weight: 600 }
</style>
</head>
<body>
<h1>Immich</h1>
<p>The sandbox's stand-in for Immich. You came through Cloudflare Access and nginx.</p>
<p>Websocket: <span id="state">connecting</span></p>
<script>
const state = document.getElementById("state");
const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/socket.io/`);
socket.onopen = () => socket.send("hello");
socket.onmessage = () => { state.textContent = "connected"; };
socket.onclose = () => { state.textContent = "closed"; };
</script>
</body>
</html>
"""
SHARE_PAGE = "<!doctype html><title>Shared album - Immich</title><h1>Shared album</h1>"

uploads: list[dict[str, Any]] = []
uploads_lock = threading.Lock()


class BadRequestError(Exception):
    """What came is not HTTP as it should be."""


def chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    """The body of a request with chunked transfer coding (RFC 9112, section 7.1), block by block."""
    while True:
        size = int(stream.readline(1024).split(b";")[0], 16)
        if size == 0:
            while stream.readline(8192).strip():
                pass
            return
        yield from exactly(stream, size)
        stream.readline(8)


def exactly(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    """The next `size` bytes, block by block."""
    while size > 0:
        block = stream.read1(min(BLOCK, size))
        if not block:
            raise BadRequestError("the body ended early")
        size -= len(block)
        yield block


def frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked websocket frame (RFC 6455, section 5.2)."""
    if len(payload) < 126:
        length = struct.pack("!B", len(payload))
    elif len(payload) < 65536:
        length = struct.pack("!BH", 126, len(payload))
    else:
        length = struct.pack("!BQ", 127, len(payload))
    return bytes([0x80 | opcode]) + length + payload


def read_frame(stream: BufferedIOBase) -> tuple[int, bytes]:
    """First byte and unmasked payload of the next frame."""
    first, second = stream.read(2)
    size = second & 127
    if size == 126:
        (size,) = struct.unpack("!H", stream.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", stream.read(8))
    if not second & 128 or size > MOST_FRAME:
        raise BadRequestError("not a client's frame")
    mask = stream.read(4)
    payload = stream.read(size)
    pattern = (mask * (size // 4 + 1))[:size]
    return first, (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


class Immich(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Immich"

    def do_GET(self) -> None:
        """Pages, the ping, the websocket."""
        path = self.path.split("?")[0]
        if path == "/":
            self.answer(PAGE.encode(), "text/html; charset=utf-8")
        elif path.startswith("/share/"):
            self.answer(SHARE_PAGE.encode(), "text/html; charset=utf-8")
        elif path == "/.well-known/immich":
            self.answer_json({"api": {"endpoint": "/api"}})
        elif path == "/api/server/ping":
            self.answer_json({"res": "pong"})
        elif path == "/api/debug/uploads":
            with uploads_lock:
                self.answer_json(uploads)
        elif path == "/api/debug/request":
            self.answer_json({"method": self.command, "path": self.path, "headers": self.headers.items()})
        elif path == "/api/socket.io/" and self.headers.get("Upgrade", "").lower() == "websocket":
            self.echo()
        else:
            self.answer_json({"message": f"Cannot {self.command} {path}"}, HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Uploads; other bodies are read and dropped."""
        path = self.path.split("?")[0]
        upload: dict[str, Any] = {"bytes": 0, "done": False}
        if path == "/api/assets":
            with uploads_lock:
                uploads.append(upload)
                del uploads[:-KEPT_UPLOADS]
        digest = hashlib.sha256()
        for block in self.body():
            digest.update(block)
            upload["bytes"] += len(block)
        upload["done"] = True
        if path == "/api/assets":
            answer = {"id": digest.hexdigest()[:32], "status": "created", "sha256": digest.hexdigest()}
            self.answer_json({**answer, "bytes": upload["bytes"]}, HTTPStatus.CREATED)
        else:
            self.do_GET()

    do_PUT = do_POST
    do_DELETE = do_POST

    def body(self) -> Iterator[bytes]:
        """The request's body, block by block."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return chunks(self.rfile)
        return exactly(self.rfile, int(self.headers.get("Content-Length", "0")))

    def answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Sends a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Sends a value as JSON."""
        self.answer(json.dumps(value).encode(), "application/json", status)

    def echo(self) -> None:
        """Becomes a websocket that sends every frame back until the other side closes it."""
        key = self.headers.get("Sec-WebSocket-Key", "").encode()
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + WEBSOCKET_KEY).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            first, payload = read_frame(self.rfile)
            opcode = first & 15
            if opcode == 8:
                self.wfile.write(frame(8, payload[:2]))
                return
            if opcode == 9:
                self.wfile.write(frame(10, payload))
            elif opcode != 10:
                # A fragment goes back as a fragment, with its FIN bit as it came.
                reply = frame(opcode, payload)
                self.wfile.write(bytes([first & 0x8F]) + reply[1:])

    def handle(self) -> None:
        """Ends the connection quietly when the other side breaks it off or sends nonsense."""
        try:
            super().handle()
        except (BadRequestError, ConnectionError, ValueError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """To the journal, without query strings: they may hold keys of shared albums."""
        line = format % args
        print(" ".join(word.split("?")[0] for word in line.split(" ")), file=sys.stderr)


def main() -> None:
    """Serves until it is ended."""
    ThreadingHTTPServer.daemon_threads = True
    # As Node's: with Python's 5, connections that come at once over HTTP/2 wait a second or fail.
    ThreadingHTTPServer.request_queue_size = 511
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    server = ThreadingHTTPServer(("127.0.0.1", port), Immich)
    print(f"Immich listens on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
