"""Whether what answers is a tracking server that lets the demo in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runyard.client.errors import ClientError, Forbidden, NotFound, NotRunyard, NotSignedIn, Unreachable
from runyard.client.http import Http
from runyard.demo import address


class _Canned(BaseHTTPRequestHandler):
    """Answers every question with what its server was given."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, CannedServer)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class CannedServer(ThreadingHTTPServer):
    """A web server that knows one answer."""

    status = 200
    body = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    server = CannedServer(("127.0.0.1", 0), _Canned)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def http(canned: CannedServer) -> Iterator[Http]:
    with Http(canned.url, pause=lambda _: None) as opened:
        yield opened


def test_a_tracking_server_is_recognised(canned: CannedServer, http: Http) -> None:
    canned.body = b'{"experiments": []}'
    address.check(http)
    assert address.answers(http)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>hello</html>", NotRunyard),
        (404, b"not found", NotRunyard),
        (401, b'{"error_code": "UNAUTHENTICATED", "message": "sign in"}', NotSignedIn),
        (403, b"", Forbidden),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no workspace"}', NotFound),
    ],
)
def test_another_server_is_not_taken_for_one(
    canned: CannedServer, http: Http, status: int, body: bytes, kind: type[ClientError]
) -> None:
    canned.status, canned.body = status, body
    with pytest.raises(kind):
        address.check(http)
    assert not address.answers(http)


def test_a_server_that_is_not_there_does_not_answer(canned: CannedServer, http: Http) -> None:
    canned.shutdown()
    canned.server_close()
    with pytest.raises(Unreachable):
        address.check(http)
