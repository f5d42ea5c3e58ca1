from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from runyard.server.web.protocol import MAX_HEAD, HttpProtocol

SHORT, LONG = 0.05, 60.0


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading the body."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


LARGE = 3_000_000
PIECE = 200_000
BUFFER = 32_768


async def send_much(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers more than any buffer takes."""
    headers = [(b"content-length", b"%d" % LARGE)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


def served(
    use: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]],
    *,
    keep_alive: float = LONG,
    app: Any = answer,
    protocol: type[HttpProtocol] = HttpProtocol,
) -> Any:
    """What `use` returns on one connection to a server."""

    async def run() -> Any:
        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
        config.timeout_keep_alive = keep_alive  # type: ignore[assignment]
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: protocol(config, state, {}), sock=_small_socket())
        reader, writer = await asyncio.open_connection(sock=_small_socket(server.sockets[0].getsockname()))
        try:
            async with asyncio.timeout(30):
                return await use(reader, writer)
        finally:
            writer.close()
            server.close()

    return asyncio.run(run())


def _small_socket(to: tuple[str, int] | None = None) -> socket.socket:
    """A socket with so small buffers that a test soon fills them."""
    made = socket.socket()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    if to is None:
        made.bind(("127.0.0.1", 0))
    else:
        made.connect(to)
    return made


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


def test_a_request_is_answered_and_the_connection_stays() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[Any]:
        answers = []
        for size in (3, 300_000):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            answers.append((await _answer(reader))[2])
        return answers

    assert served(use) == [b"3", b"300000"]


def test_requests_may_be_sent_ahead() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[int]:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        return [(await _answer(reader))[0] for _ in range(3)]

    assert served(use) == [200, 200, 200]


def test_what_is_not_http_is_refused_in_json() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")
        return *await _answer(reader), await reader.read()

    status, headers, body, rest = served(use)
    assert (status, headers["content-type"], headers["connection"], rest) == (
        400,
        "application/json",
        "close",
        b"",
    )
    assert json.loads(body)["error_code"] == "BAD_REQUEST"


def test_a_path_beyond_ascii_is_refused() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n")
        return (await _answer(reader))[0]

    assert served(use) == 400


def test_an_endless_head_is_refused() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(MAX_HEAD // 1000 + 1):
            writer.write(b"x-%s: y\r\n" % (b"x" * 1000))
            await writer.drain()
        return await _answer(reader)

    status, _, body = served(use)
    assert status == 431
    assert "65,536" in json.loads(body)["message"]


def test_long_heads_one_after_the_other_are_fine() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[int]:
        answers = []
        for _ in range(3):
            for piece in (b"GET / HTTP/1.1\r\nHost: a\r\n", b"x: " + b"y" * (MAX_HEAD // 2), b"\r\n\r\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)  # gives the server its turn: each piece comes alone
            answers.append((await _answer(reader))[0])
        return answers

    assert served(use) == [200, 200, 200]


def test_a_client_that_says_nothing_is_cut_off() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        return await reader.read()

    assert served(use, keep_alive=SHORT) == b""


def test_a_client_that_stops_inside_a_head_is_cut_off() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHo")
        return await reader.read()

    assert served(use, keep_alive=SHORT) == b""


def test_a_client_that_stops_inside_a_body_is_cut_off() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        return await reader.read()

    assert served(use, keep_alive=SHORT) == b""


def test_a_client_is_not_blamed_while_the_server_does_not_read() -> None:
    # Given a body larger than what is buffered, and an application that waits until the time is over
    over: list[asyncio.Event] = []

    class Watched(HttpProtocol):
        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            over[0].set()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await over[0].wait()
        await answer(scope, receive, send)

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        over.append(asyncio.Event())
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000)
        return (await _answer(reader))[2]

    # When, Then
    assert served(use, keep_alive=SHORT, app=slow, protocol=Watched) == b"900000"


def test_the_rest_of_a_refused_body_is_not_taken_for_a_request() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[int]:
        answers = []
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
            writer.write(b"GET / HTTP/1.1\r\n\r\n".ljust(50, b" ") * 10_000)
            answers.append((await _answer(reader))[0])
        return answers

    assert served(use, app=refuse) == [413, 413]


def test_an_upgrade_that_is_not_offered_is_ignored() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        return (await _answer(reader))[0]

    assert served(use) == 200


def test_a_client_that_reads_nothing_is_cut_off() -> None:
    # Given
    cut: list[asyncio.Event] = []

    class Watched(HttpProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            cut[0].set()

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut.append(asyncio.Event())
        # When it asks for much and reads nothing, which its transport would do unasked
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        # Then the server ends the connection
        await cut[0].wait()

    served(use, keep_alive=SHORT, app=send_much, protocol=Watched)


def test_a_client_that_reads_slowly_gets_everything() -> None:
    # Given a client that reads a little whenever the server looks
    looked: list[asyncio.Semaphore] = []

    class Watched(HttpProtocol):
        def check_reading(self) -> None:
            super().check_reading()
            looked[0].release()

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        looked.append(asyncio.Semaphore(0))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        read = 0
        # When the server has looked six times, and each time something had been read
        for _ in range(6):
            await looked[0].acquire()
            read += len(await reader.readexactly(PIECE))
        return read + len(await reader.readexactly(LARGE - read))

    # Then
    assert served(use, keep_alive=SHORT, app=send_much, protocol=Watched) == LARGE
