import asyncio
import tempfile
import unittest
from collections.abc import Awaitable
from pathlib import Path
from unittest import mock

from agent.access import connection
from agent.access.connection import LONGEST_REQUEST, Connection, Request, Response

TIMEOUT = 10.0


def request(path: str, *lines: str, version: str = "HTTP/1.1") -> bytes:
    """A request as nginx sends it."""
    return "\r\n".join([f"GET {path} {version}", "Host: verifier", *lines, "", ""]).encode()


class Client:
    """One connection to the server of a test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> bytes:
        """The head and the body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), TIMEOUT)
        length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
        return head + await self.reader.readexactly(length)

    async def ask(self, *args: str, version: str = "HTTP/1.1") -> bytes:
        """The answer to a request."""
        self.writer.write(request(*args, version=version))
        return await self.answer()

    async def rest(self) -> bytes:
        """All that still comes before the connection is closed."""
        try:
            return await asyncio.wait_for(self.reader.read(), TIMEOUT)
        except ConnectionError:
            return b""


class ConnectionTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "socket")
        self.waiting = asyncio.Event()
        self.asked: list[str] = []
        server = await asyncio.get_running_loop().create_unix_server(lambda: Connection(self.echo), self.path)
        self.addCleanup(server.close)

    def echo(self, asked: Request) -> Response | Awaitable[Response]:
        self.asked.append(asked.path)
        if asked.path == "/broken":
            raise ValueError("a mistake of ours")
        return self.later(asked.path) if asked.path == "/later" else Response("200 OK", body=asked.path)

    async def later(self, path: str) -> Response:
        await self.waiting.wait()
        return Response("200 OK", body=path)

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_unix_connection(self.path))
        self.addCleanup(client.writer.close)
        return client

    async def test_connections_are_kept_and_each_gets_the_answers_to_its_own_requests(self) -> None:
        async def visit(number: int) -> list[bytes]:
            client = await self.connect()
            return [(await client.ask(f"/{number}-{turn}")).split(b"\r\n\r\n")[1] for turn in range(50)]

        found = await asyncio.gather(*map(visit, range(20)))
        self.assertEqual(found, [[f"/{number}-{turn}".encode() for turn in range(50)] for number in range(20)])

    async def test_an_answer_that_comes_later_holds_up_no_other_connection(self) -> None:
        waiting, other = await self.connect(), await self.connect()
        waiting.writer.write(request("/later"))
        self.assertTrue((await other.ask("/now")).endswith(b"/now"))
        self.waiting.set()
        self.assertTrue((await waiting.answer()).endswith(b"/later"))
        self.assertTrue((await waiting.ask("/next")).endswith(b"/next"))

    async def test_a_second_request_before_the_answer_closes_the_connection_without_any_answer(self) -> None:
        for first in ("/one", "/later"):
            client = await self.connect()
            client.writer.write(request(first) + request("/two"))
            self.assertEqual(await client.rest(), b"")
        client = await self.connect()
        client.writer.write(request("/later"))
        while self.asked != ["/later"]:
            await asyncio.sleep(0.01)
        client.writer.write(request("/two"))
        self.assertEqual(await client.rest(), b"")
        self.waiting.set()
        self.assertEqual(self.asked, ["/later"])

    async def test_a_request_in_pieces_is_answered_once(self) -> None:
        client = await self.connect()
        for byte in request("/pieces"):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        self.assertTrue((await client.answer()).endswith(b"/pieces"))
        self.assertTrue((await client.ask("/next")).endswith(b"/next"))
        self.assertEqual(self.asked, ["/pieces", "/next"])

    async def test_anything_but_a_get_without_a_body_is_refused_and_the_connection_closed(self) -> None:
        for malformed in (
            b"POST / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/2\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b"GET /\r\n\r\n",
            b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\r\n\r\n",
            request("/", "no colon"),
            request("/", ": no name"),
            request("/", "Name : space"),
            request("/", " folded: line"),
            request("/", "Content-Length: 0"),
            request("/", "Transfer-Encoding: chunked"),
        ):
            with self.subTest(malformed):
                client = await self.connect()
                self.assertTrue((await client.ask("/good")).endswith(b"/good"))
                client.writer.write(malformed)
                answer = await client.rest()
                self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
                self.assertEqual(answer.count(b"HTTP/1.1"), 1)
        self.assertEqual(set(self.asked), {"/good"})

    async def test_a_request_that_is_too_long_is_not_read_to_its_end(self) -> None:
        client = await self.connect()
        client.writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * LONGEST_REQUEST)
        self.assertEqual(await client.rest(), b"")
        longest = request("/", f"X: {'x' * (LONGEST_REQUEST - len(request('/', 'X: ')))}")
        client = await self.connect()
        client.writer.write(longest)
        self.assertTrue((await client.answer()).endswith(b"/"))
        self.assertEqual(self.asked, ["/"])

    async def test_a_slow_client_is_cut_off_and_an_idle_one_is_not(self) -> None:
        with mock.patch.object(connection, "REQUEST_SECONDS", 0.3):
            slow, idle, other = await self.connect(), await self.connect(), await self.connect()
            await idle.ask("/first")
            slow.writer.write(b"GET / HT")
            self.assertTrue((await other.ask("/now")).endswith(b"/now"))
            self.assertEqual(await slow.rest(), b"")
            self.assertTrue((await idle.ask("/second")).endswith(b"/second"))

    async def test_the_connection_is_closed_after_the_answer_if_the_client_asks_for_it(self) -> None:
        for version, lines in (("HTTP/1.0", ()), ("HTTP/1.1", ("Connection: close",))):
            client = await self.connect()
            answer = await client.ask("/last", *lines, version=version)
            self.assertIn(b"\r\nConnection: close\r\n", answer)
            self.assertEqual(await client.rest(), b"")

    async def test_a_mistake_of_ours_is_no_answer(self) -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        client = await self.connect()
        client.writer.write(request("/broken"))
        self.assertEqual(await client.rest(), b"")
        self.assertEqual(len(reported), 1)
        self.assertTrue((await (await self.connect()).ask("/good")).endswith(b"/good"))
