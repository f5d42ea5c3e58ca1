"""Requests: the address, the credential, what is sent again, and what errors say."""

from __future__ import annotations

import json
import logging
import math
import ssl
from collections.abc import Callable

import httpx
import pytest

from runyard.client.credentials import Credential
from runyard.client.errors import (
    ClientError,
    Forbidden,
    NotFound,
    NotRunyard,
    NotSignedIn,
    Refused,
    Unavailable,
    Unreachable,
)
from runyard.client.http import PAUSES, Http, native_page, pages

Handler = Callable[[httpx.Request], httpx.Response]


def _http(handler: Handler, pauses: list[float] | None = None, **more: str) -> Http:
    waited = [] if pauses is None else pauses
    credential = Credential(more.pop("token")) if "token" in more else None
    transport = httpx.MockTransport(handler)
    return Http(
        "http://ml.example.org", credential=credential, transport=transport, pause=waited.append, **more
    )


def _error(status: int, **fields: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": "X", "message": "No.", **fields})


def test_a_request_says_all_that_the_server_needs() -> None:
    # Given
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"a": 1})

    # When
    with _http(answer, token="ryp_x", workspace="a b") as http:
        assert http.get("/x", {"one": 1, "flag": True, "none": None}) == {"a": 1}
        assert http.post("/y", {"text": "ä"}) == {"a": 1}
    # Then
    got, posted = seen
    assert str(got.url) == "http://ml.example.org/w/a%20b/x?one=1&flag=true"
    assert got.headers["authorization"] == "Bearer ryp_x"
    assert got.headers["user-agent"].startswith("runyard/")
    assert posted.headers["content-type"] == "application/json"
    assert json.loads(posted.content) == {"text": "ä"}


def test_numbers_that_json_lacks_are_read_from_texts() -> None:
    with _http(lambda _: httpx.Response(200, json=["NaN", "Infinity", 1])) as http:
        nan, infinite, one = http.get("/", kind=list[float])
    assert math.isnan(nan)
    assert (infinite, one) == (float("inf"), 1.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (401, NotSignedIn), (403, Forbidden), (404, NotFound), (409, Refused), (500, Refused)],
)
def test_an_error_holds_what_the_server_told(status: int, kind: type[Refused]) -> None:
    answer = _error(status, field="a.b", request_id="r1")
    with _http(lambda _: answer) as http, pytest.raises(kind) as failed:
        http.get("/")
    error = failed.value
    told = (error.status, error.error_code, error.message, error.field, error.request_id)
    assert told == (status, "X", "No.", "a.b", "r1")


def test_a_quota_that_is_full_is_no_matter_of_the_credential() -> None:
    answer = _error(403, error_code="QUOTA_EXCEEDED")
    with _http(lambda _: answer) as http, pytest.raises(Refused) as failed:
        http.post("/")
    assert not isinstance(failed.value, Forbidden)


def test_a_missing_endpoint_is_no_missing_thing() -> None:
    answer = _error(404, error_code="ENDPOINT_NOT_FOUND")
    with _http(lambda _: answer) as http, pytest.raises(Refused, match="doesn't offer") as failed:
        http.get("/")
    assert not isinstance(failed.value, NotFound)


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (httpx.Response(200, text="<html>"), NotRunyard, "no Runyard server"),
        (httpx.Response(200, json=[1]), NotRunyard, "no Runyard server"),
        (httpx.Response(404, text="nothing here"), NotRunyard, "HTTP 404"),
        (httpx.Response(302, headers={"location": "https://sso.example.org/x?t=1"}), NotRunyard, "https://sso.example.org"),
        (httpx.Response(401, text="proxy"), NotSignedIn, "HTTP 401"),
        (httpx.Response(502, text="<html>"), Unavailable, "HTTP 502"),
    ],
)  # fmt: skip
def test_somebody_else_answers(answer: httpx.Response, kind: type[ClientError], text: str) -> None:
    with _http(lambda _: answer) as http, pytest.raises(kind, match=text):
        http.get("/")


class Flaky:
    """Fails some times, then answers."""

    def __init__(self, *faults: Exception | httpx.Response) -> None:
        self.left = list(faults)
        self.calls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if not self.left:
            return httpx.Response(200, json={"ok": True})
        fault = self.left.pop(0)
        if isinstance(fault, Exception):
            raise fault
        return fault


REFUSED, LATE, CUT = httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.ReadError("cut")


@pytest.mark.parametrize(
    ("method", "fault", "calls"),
    [
        ("get", REFUSED, 2),
        ("get", LATE, 2),
        ("get", CUT, 2),
        ("get", httpx.Response(503, json={"error_code": "X"}), 2),
        ("get", httpx.Response(429, json={"error_code": "X"}), 2),
        # Nothing was carried out: nobody was there, or it was one request too many.
        ("post", REFUSED, 2),
        ("post", httpx.Response(429, json={"error_code": "X"}), 2),
        # It may have been carried out.
        ("post", LATE, 1),
        ("post", CUT, 1),
        ("post", httpx.Response(503, json={"error_code": "X"}), 1),
        ("delete", CUT, 1),
        # It would fail again.
        ("get", httpx.Response(500, json={"error_code": "X"}), 1),
        ("get", httpx.Response(403, json={"error_code": "X"}), 1),
    ],
)
def test_what_is_sent_again(method: str, fault: Exception | httpx.Response, calls: int) -> None:
    flaky = Flaky(fault)
    with _http(flaky) as http:
        if calls == 1:
            with pytest.raises(ClientError):
                getattr(http, method)("/")
        else:
            assert getattr(http, method)("/") == {"ok": True}
    assert flaky.calls == calls


def test_a_search_by_post_is_sent_again() -> None:
    flaky = Flaky(CUT)
    with _http(flaky) as http:
        assert http.post("/", {}, safe=True) == {"ok": True}


def test_pauses_grow_and_end() -> None:
    waited: list[float] = []
    flaky = Flaky(*[REFUSED] * 9)
    with _http(flaky, waited) as http, pytest.raises(Unreachable, match="refused"):
        http.get("/")
    assert flaky.calls == len(PAUSES) + 1
    assert all(0.7 * p < w < 1.3 * p for p, w in zip(PAUSES, waited, strict=True))


@pytest.mark.parametrize(("seconds", "calls"), [("3", 2), ("60", 1), ("soon", 2)])
def test_the_pause_that_the_server_asks_for(seconds: str, calls: int) -> None:
    waited: list[float] = []
    flaky = Flaky(httpx.Response(429, json={"error_code": "X"}, headers={"retry-after": seconds}))
    with _http(flaky, waited) as http:
        if calls == 1:
            with pytest.raises(Refused):
                http.get("/")
        else:
            http.get("/")
    assert flaky.calls == calls
    assert not (seconds == "3" and waited[0] < 2.2)


def test_a_certificate_without_trust_is_told_at_once() -> None:
    def distrust(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("failed") from ssl.SSLCertVerificationError("self-signed certificate")

    with _http(distrust) as http, pytest.raises(Unreachable, match="SSL_CERT_FILE"):
        http.get("/")


def test_a_secret_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with _http(lambda _: _error(401), token="ryp_secret") as http:
        with pytest.raises(NotSignedIn) as failed:
            http.get("/")
        assert "ryp_secret" not in f"{failed.value!r} {http!r} {vars(http)!r} {caplog.text}"


def test_a_stream_is_read_piece_by_piece_and_its_errors_are_read_too() -> None:
    with _http(lambda _: httpx.Response(200, content=b"abc")) as http, http.stream("/") as response:
        assert b"".join(response.iter_bytes()) == b"abc"
    with _http(lambda _: _error(404)) as http, pytest.raises(NotFound, match="No"), http.stream("/"):
        pass


@pytest.mark.parametrize(
    ("limit", "found", "more", "sizes"),
    [
        (0, 25, False, [10, 10, 10]),
        (5, 5, True, [5]),
        (10, 10, True, [10]),
        (12, 12, True, [10, 2]),
        (25, 25, False, [10, 10, 5]),
        (99, 25, False, [10, 10, 10]),
    ],
)
def test_pages_are_followed(limit: int, found: int, more: bool, sizes: list[int]) -> None:
    # Given a list of 25
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        start, size = int(request.url.params.get("page_token", 0)), int(request.url.params["limit"])
        asked.append(size)
        items = [{"i": i} for i in range(start, min(start + size, 25))]
        token = str(start + size) if start + size < 25 else None
        return httpx.Response(200, json={"items": items, "next_page_token": token})

    # When
    with _http(answer) as http:
        items, left = pages(native_page(http, "/list"), limit, page=10)
    # Then
    assert items == [{"i": i} for i in range(found)]
    assert (left, asked) == (more, sizes)
