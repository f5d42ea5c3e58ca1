"""HTTP on a connection: uvicorn's protocol with the limits that it lacks.

* A head (request line and headers) above 64 KiB is refused; uvicorn would keep all of it.
* A connection that is silent for the keep-alive time is closed, not only between two requests but also
  before the first one, inside a head and inside a body.
* A client that reads nothing of its answer for that time, or up to twice of it, is cut off; one that reads
  slowly isn't.
* Bytes that aren't HTTP get an answer in JSON, as everything else.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from runyard.server.web.errors import ErrorAnswer

MAX_HEAD = 64 * 1024


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head = 0  # bytes of a head that isn't complete yet
    _unread = 0  # bytes that the client had not taken when somebody looked last
    _reading_check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._expect_more()

    def data_received(self, data: bytes) -> None:
        """Bytes have come; this runs once for most requests, so it does next to nothing for them."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            self._head = 0
            if cycle.more_body:
                self._expect_more()
            return
        self._head += len(data)
        if self._head > MAX_HEAD:
            self._refuse(431, f"The request's address and headers are larger than {MAX_HEAD:,} bytes.")
        self._expect_more()

    def pause_writing(self) -> None:
        """The client reads more slowly than the answer is made."""
        super().pause_writing()
        self._unread = sys.maxsize
        if self._reading_check is None:
            self._check_reading_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        if self._reading_check is not None:
            self._reading_check.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """The client was silent for too long."""
        if self.flow.read_paused:  # it is the server that doesn't read: a slow disk, a full queue
            self.timeout_keep_alive_task = None
            self._expect_more()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP."""
        self._refuse(400, f"The request can't be read: {msg.lower().rstrip('.')}.")

    def check_reading(self) -> None:
        """Cut off a client that has taken nothing since the last look."""
        self._reading_check = None
        if not self.flow.write_paused:
            return
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread:
            self.transport.abort()
        else:
            self._unread = unread
            self._check_reading_later()

    def _check_reading_later(self) -> None:
        self._reading_check = self.loop.call_later(self.timeout_keep_alive, self.check_reading)

    def _expect_more(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(ErrorAnswer("BAD_REQUEST", message))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()
