"""Just enough HTTP/1.1 for a load generator: request bytes, an incremental parser of answers, and a
blocking client for preparation and for latency at one connection.

Not a general client: one request in flight per connection, no TLS, no redirects, no compression (the
requests carry no `Accept-Encoding`, so that every server sends the same plain bytes).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

API = "/api/2.0/mlflow/"
MAX_TRIES = 8  # as MLflow's client: one try and seven more
_RECEIVE = 1 << 18


class ProtocolError(Exception):
    """The server sent what this parser can't read, or closed the connection inside an answer."""


class UnexpectedAnswerError(Exception):
    """A request that was not answered 2xx in `MAX_TRIES` tries."""

    def __init__(self, status: int, request: bytes, body: bytes) -> None:
        line = request.split(b"\r\n", 1)[0].decode()
        super().__init__(f"{line} answered {status}: {body[:2000].decode(errors='replace')}")


@dataclass(frozen=True)
class Address:
    """A server on a loopback port; `headers` are lines that every request to it has, such as a credential."""

    host: str
    port: int
    headers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def head(address: Address, method: str, path: str, length: int) -> bytes:
    """The request line and headers, as MLflow's Python client sends them, for a body of `length` bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {address}",
        "User-Agent: mlflow-python-client/3.17.2",
        "Accept: */*",
        "Connection: keep-alive",
        *address.headers,
    ]
    if method != "GET":
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def get(address: Address, endpoint: str, query: Mapping[str, str | int]) -> bytes:
    """The bytes of a GET of an MLflow endpoint such as `runs/get`."""
    return head(address, "GET", f"{API}{endpoint}?{urlencode(query)}", 0)


def post(address: Address, endpoint: str, body: object) -> bytes:
    """The bytes of a POST of a JSON body to an MLflow endpoint such as `runs/create`."""
    content = json.dumps(body).encode()
    return head(address, "POST", API + endpoint, len(content)) + content


class ResponseParser:
    """Reads one answer at a time, with Content-Length or chunked.

    `status` is valid from the end of the head; `body()` is kept only for answers that are not 2xx, or
    for all of them with `keep_body`.
    """

    __slots__ = ("_chunked", "_in_body", "_keep", "_keep_body", "_left", "_parts", "_pending", "status")

    def __init__(self, *, keep_body: bool = False) -> None:
        self._keep_body = keep_body
        self._keep = keep_body
        self._parts: list[bytes] = []
        self._pending = b""
        self._left = 0
        self._in_body = False
        self._chunked = False
        self.status = 0

    def feed(self, data: bytes) -> bool:
        """Takes bytes as they arrive; True when the answer is complete.

        Raises `ProtocolError` on what isn't HTTP and on no bytes at all: the server has closed.
        """
        if not data:
            raise ProtocolError("the server closed the connection inside an answer")
        if not self._in_body:
            if self._pending:
                data = self._pending + data
                self._pending = b""
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._pending = data
                return False
            self._read_head(data[:end].lower())
            data = data[end + 4 :]
        complete = self._take_chunks(data) if self._chunked else self._take(data)
        if complete:
            self._in_body = False
        return complete

    def body(self) -> bytes:
        """What was kept of the last answer's body."""
        return b"".join(self._parts)

    def _read_head(self, lines: bytes) -> None:
        try:
            self.status = int(lines[9:12])
        except ValueError as error:
            raise ProtocolError(f"not an HTTP answer: {lines[:100]!r}") from error
        self._keep = self._keep_body or not 200 <= self.status < 300
        self._parts = []
        self._in_body = True
        at = lines.find(b"\r\ncontent-length:")
        if at >= 0:
            end = lines.find(b"\r\n", at + 17)
            self._left = int(lines[at + 17 : end if end >= 0 else len(lines)])
            self._chunked = False
        elif b"\r\ntransfer-encoding: chunked" in lines:
            self._left = 0
            self._chunked = True
        elif self.status == 204:
            self._left = 0
            self._chunked = False
        else:
            raise ProtocolError(f"neither Content-Length nor chunked: {lines[:500]!r}")

    def _take(self, data: bytes) -> bool:
        self._left -= len(data)
        if self._keep:
            self._parts.append(data)
        if self._left < 0:
            raise ProtocolError("more bytes than Content-Length announced")
        return self._left == 0

    def _take_chunks(self, data: bytes) -> bool:
        data = self._pending + data
        self._pending = b""
        at = 0
        while True:
            if self._left:  # of this chunk, its closing CRLF included
                piece = data[at : at + self._left]
                if self._keep:
                    self._parts.append(piece[: max(self._left - 2, 0)])
                self._left -= len(piece)
                at += len(piece)
                if self._left:
                    return False
            end = data.find(b"\r\n", at)
            if end < 0:
                self._pending = data[at:]
                return False
            size = int(data[at:end].split(b";", 1)[0], 16)
            if size == 0:
                if len(data) < end + 4:
                    self._pending = data[at:]
                    return False
                return True
            self._left = size + 2
            at = end + 2


class Client:
    """A blocking keep-alive connection, opened at the first request.

    With `quick_ack` (Linux only) the kernel acknowledges every segment at once. Stock clients don't ask
    for that: a server that writes head and body apart, without TCP_NODELAY, then waits up to 40 ms for
    the acknowledgement of the head before the body leaves.
    """

    def __init__(self, address: Address, *, timeout: float = 120.0, quick_ack: bool = False) -> None:
        self.address = address
        self.failures = 0
        self._timeout = timeout
        self._quick_ack = quick_ack
        self._socket: socket.socket | None = None
        self._parser = ResponseParser(keep_body=True)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Sends one request and returns the status and the body. Raises `OSError`, `ProtocolError`."""
        connection = self._connection()
        parser = self._parser
        try:
            connection.sendall(request)
            self._acknowledge(connection)
            while not parser.feed(connection.recv(_RECEIVE)):
                self._acknowledge(connection)
        except (OSError, ProtocolError):
            self.close()
            raise
        return parser.status, parser.body()

    def send(self, request: bytes) -> bytes:
        """Sends until it is answered 2xx and returns the body; `failures` counts other answers and lost
        connections. After `MAX_TRIES` raises `UnexpectedAnswerError`, `OSError` or `ProtocolError`."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                status, body = self.exchange(request)
            except (OSError, ProtocolError):
                self.failures += 1
                if attempt == MAX_TRIES:
                    raise
                continue
            if 200 <= status < 300:
                return body
            self.failures += 1
            if attempt == MAX_TRIES:
                raise UnexpectedAnswerError(status, request, body)
        raise AssertionError("unreachable")

    def get(self, endpoint: str, query: Mapping[str, str | int]) -> Any:
        """GETs an MLflow endpoint and returns the parsed JSON."""
        return json.loads(self.send(get(self.address, endpoint, query)))

    def post(self, endpoint: str, body: object) -> Any:
        """POSTs to an MLflow endpoint and returns the parsed JSON."""
        return json.loads(self.send(post(self.address, endpoint, body)))

    def _acknowledge(self, connection: socket.socket) -> None:
        if self._quick_ack:  # the option holds for a while only, so it is set again and again
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(
                (self.address.host, self.address.port), timeout=self._timeout
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._parser = ResponseParser(keep_body=True)
        return self._socket
