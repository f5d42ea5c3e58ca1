"""Takes what a browser on this machine brings back: one request to a port of 127.0.0.1."""

from __future__ import annotations

import hmac
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from runyard.client.errors import NotApproved

HOST = "127.0.0.1"
# A connection that says nothing, as browsers open them in advance, is closed after so many seconds.
SILENT_SECONDS = 10.0
MAX_CODE = 200

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Runyard</title>
<link rel="icon" href="data:,">
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 20vh auto; padding: 0 1rem">
<h1 style="font-size: 1.375rem">{title}</h1>
<p>{text}</p>
</body>
</html>
"""


class Loopback:
    """Listens, from the beginning of the block to its end.

    Args:
        state: what the right answer brings along.
    """

    def __init__(self, state: str) -> None:
        self._state = state
        self._done = threading.Event()
        self._taking = threading.Lock()
        self._code = ""
        self._problem = ""
        self._server = _Server((HOST, 0), _handler_of(self))
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> str:
        """The code that came back.

        Raises:
            NotApproved: somebody denied it, or no answer came in time.
        """
        end = time.monotonic() + seconds
        # In short turns: some systems don't let Ctrl+C through to a thread that waits.
        while not self._done.wait(0.5):
            if time.monotonic() > end:
                raise NotApproved(
                    f"Nobody approved the sign-in within {seconds / 60:.0f} minutes. Where the browser is on "
                    "another machine, use --no-browser."
                )
        if self._problem:
            raise NotApproved(self._problem)
        return self._code

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request; what is no answer to us changes nothing."""
        parts = urlsplit(handler.path)
        told = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        # A page elsewhere that made a name of its own lead here doesn't know this one.
        here = handler.headers.get("Host", "") == f"{HOST}:{self.port}"
        # Any page can send a browser here: what doesn't know the state ends nothing.
        right = hmac.compare_digest(told.get("state", "").encode(), self._state.encode())
        if parts.path != "/" or not here or not right or not self._taking.acquire(blocking=False):
            other = "state" in told and not right
            title = "This belongs to another sign-in" if other else "There is nothing here"
            _write(handler, HTTPStatus.NOT_FOUND, title)
            return
        try:
            _write(handler, HTTPStatus.OK, self._take(told))
        finally:
            # Whoever waits may end the process, so the page comes first.
            self._done.set()

    def _take(self, told: dict[str, str]) -> str:
        """Take the answer that was awaited; returns what the page says."""
        code = told.get("code", "")
        if "error" in told or not 0 < len(code) <= MAX_CODE:
            self._problem = "The sign-in was denied in the browser."
            return "Denied"
        self._code = code
        return "Approved"


class _Server(socketserver.ThreadingTCPServer):
    """Nobody takes over its port, and nobody waits for a connection that stays open."""

    allow_reuse_address = False
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no concern of the terminal's."""


def _handler_of(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SILENT_SECONDS

        def do_GET(self) -> None:
            loopback.answer(self)

        def version_string(self) -> str:
            return "runyard"

        def log_message(self, *_: Any) -> None:
            """The address holds the code: it is written nowhere."""

    return Handler


def _write(handler: BaseHTTPRequestHandler, status: HTTPStatus, title: str) -> None:
    body = _PAGE.format(title=title, text="You can close this page and go back to the terminal.").encode()
    handler.send_response(status)
    for name, value in (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
