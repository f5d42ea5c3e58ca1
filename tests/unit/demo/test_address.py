"""Which addresses the demo takes, and what it says of those that aren't a tracking server's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runyard.demo import address
from runyard.demo.errors import DemoError

NOT_FOUND = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}'


class _Canned(BaseHTTPRequestHandler):
    """Answers every question with what its server was given."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, CannedServer)
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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://localhost:5000/", "http://localhost:5000"),
        ("https://ml.example/w/team/", "https://ml.example/w/team"),
    ],
)
def test_an_address_loses_its_trailing_slash(given: str, expected: str) -> None:
    assert address.parse(given) == expected


@pytest.mark.parametrize(
    "given",
    ["", "127.0.0.1:5000", "ftp://a.example", "http://", "http://a:99999", "http://a:b", "http://[::1"],
)
def test_what_is_no_http_address_is_refused(given: str) -> None:
    with pytest.raises(DemoError, match=r"like http://127\.0\.0\.1:5000"):
        address.parse(given)


def test_an_address_with_a_secret_is_refused_without_repeating_it() -> None:
    with pytest.raises(DemoError, match="without user information") as refused:
        address.parse("http://me:secret@127.0.0.1:5000")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body"), [(404, NOT_FOUND), (200, b'{"experiment": {"experiment_id": "1"}}')]
)
def test_a_tracking_server_is_recognised(canned: CannedServer, status: int, body: bytes) -> None:
    canned.status, canned.body = status, body
    address.check(canned.url)
    assert address.answers(canned.url)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>hello</html>", "no MLflow tracking server"),
        (404, b"not found", "no MLflow tracking server"),
        (200, b"[]", "no MLflow tracking server"),
        (401, NOT_FOUND, "login"),
        (403, b"", "login"),
    ],
)
def test_another_server_is_not_taken_for_one(
    canned: CannedServer, status: int, body: bytes, message: str
) -> None:
    canned.status, canned.body = status, body
    with pytest.raises(DemoError, match=message):
        address.check(canned.url)
    assert not address.answers(canned.url)


def test_a_server_that_is_not_there_is_told_with_what_to_do(canned: CannedServer) -> None:
    free = canned.url
    canned.shutdown()
    canned.server_close()
    with pytest.raises(DemoError, match=r"No server answers at .*runyard server.*--url"):
        address.check(free)
