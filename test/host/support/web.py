"""web.py KIND PORT [NAME | COUNT] -- a program on a test host that listens on every address, on COUNT ports from PORT
on, in one of these kinds:

proxy     passes all requests to Immich on 127.0.0.1:2283
named     does so for NAME alone, and answers 404 for others
tls       like `named`, over TLS with the certificate /run/web.pem
tls-old   like `proxy`, over TLS 1.2 for clients that offer nothing but HTTP/1.1
client    like `proxy`, over TLS for clients with a certificate of its own authority, which nobody has
redirect  sends everyone to HTTPS
files     serves a folder
hang      accepts connections, and says nothing
smtp      speaks first, as a mail server does
echo      sends back what it gets
slow      answers 404 after ten seconds
"""

import http.client
import http.server
import socket
import socketserver
import ssl
import sys
import threading
import time


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if KIND == "slow":
            time.sleep(10)
        host = (self.headers["Host"] or "").partition(":")[0]
        if KIND == "redirect":
            self.answer(301, b"", {"Location": f"https://{host}{self.path}"})
        elif KIND == "slow" or (KIND in ("named", "tls") and host != NAME):
            self.answer(404, b"not here")
        elif KIND == "files":
            self.answer(200, b"<html>ping pang</html>")
        else:
            connection = http.client.HTTPConnection("127.0.0.1", 2283, timeout=5)
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                self.answer(response.status, response.read())
            except OSError:
                self.answer(502, b"bad gateway")

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Raw(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        if KIND == "hang":
            time.sleep(3600)
        elif KIND == "smtp":
            self.request.sendall(b"220 mail.example.org ESMTP\r\n")
            print("got", self.request.recv(1000), flush=True)
        else:
            while data := self.request.recv(1000):
                self.request.sendall(data)


KIND, PORT = sys.argv[1], int(sys.argv[2])
NAME = sys.argv[3] if len(sys.argv) > 3 else ""


def serve(port: int) -> None:
    server = Server(("::", port), Raw if KIND in ("hang", "smtp", "echo") else Web)
    if KIND.startswith(("tls", "client")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/run/web.pem")
        if KIND == "client":
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations("/run/web.pem")
        if KIND == "tls-old":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        # In the thread of its connection, so that nobody waits for somebody else's handshake.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


for at in range(1, int(NAME) if NAME.isdigit() else 1):
    threading.Thread(target=serve, args=(PORT + at,)).start()
serve(PORT)
