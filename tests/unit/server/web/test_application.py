from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Scope

from runyard.server.kernel.errors import NotFound, NotImplementedHere, PermissionDenied, Unavailable
from runyard.server.web import Application, Call, Route
from runyard.server.web.application import CLIENT_GONE, ResponseCutOff
from runyard.server.web.traffic import Traffic
from tests.unit.server.web.asgi import JSON, Exchange, application, call, request, route


class Thing(msgspec.Struct):
    name: str | None = None
    sizes: list[int] = []


async def echo(got: Call) -> Any:
    return got.body if got.body is not None else dict(got.path)


async def plain(got: Call) -> Response:
    return PlainTextResponse("text")


def failing(error: BaseException) -> Route:
    async def handler(got: Call) -> Any:
        raise error

    return route(handler)


def test_a_value_is_answered_as_json() -> None:
    answer = call(application(route(echo, path="/a/{id}")), request("GET", "/a/7"))
    assert (answer.status, answer.json) == (200, {"id": "7"})
    assert answer.headers == {b"content-type": b"application/json", b"content-length": b"10"}


@pytest.mark.parametrize(("status", "body"), [(201, b'{"id":"7"}'), (204, b"")])
def test_a_route_says_the_status_of_a_success(status: int, body: bytes) -> None:
    answer = call(application(route(echo, "POST", "/a/{id}", status=status)), request("POST", "/a/7"))
    assert (answer.status, answer.body) == (status, body)
    assert (b"content-length" in answer.headers) == (status != 204)


def test_a_response_is_sent_as_it_is() -> None:
    answer = call(application(route(plain)), request("GET", "/a"))
    assert (answer.status, answer.body) == (200, b"text")


def test_head_answers_the_headers_of_get_without_its_body() -> None:
    app = application(route(plain))
    head, get = (call(app, request(method, "/a")) for method in ("HEAD", "GET"))
    assert head.body == b""
    assert head.headers == get.headers


@pytest.mark.parametrize("path", ["/a/b", "/a/b/", "//a/b", "/a//b", "/a/b//"])
def test_slashes_too_many_do_no_harm(path: str) -> None:
    assert call(application(route(plain, path="/a/b")), request("GET", path)).status == 200


def test_the_rest_of_a_path_keeps_its_slashes() -> None:
    answer = call(application(route(echo, path="/files/{path:path}")), request("GET", "/files/a//b"))
    assert answer.json == {"path": "a//b"}


def test_a_wrong_method_is_told_the_right_ones() -> None:
    app = application(route(plain), route(plain, "POST"))
    answer = call(app, request("DELETE", "/a"))
    assert answer.error == (405, "BAD_REQUEST")
    assert answer.headers[b"allow"] == b"GET, POST"


def test_an_unknown_path_is_not_found() -> None:
    assert call(application(), request("GET", "/x")).error == (404, "ENDPOINT_NOT_FOUND")


def test_the_fallback_answers_what_no_route_does() -> None:
    async def fallback(scope: Scope) -> Response:
        return PlainTextResponse(f"page {scope['path']}")

    assert call(application(fallback=fallback), request("GET", "/x")).body == b"page /x"


@pytest.mark.parametrize("raw", [b"/a/%ff", b"/a/%00", b"/a/%c3%28"])
def test_a_path_that_is_no_text_is_refused(raw: bytes) -> None:
    # Given what uvicorn makes of such a path
    scope = request("GET", "/a/\ufffd", raw_path=raw)
    # When, Then
    assert call(application(route(echo, path="/a/{id}")), scope).error == (400, "BAD_REQUEST")


def test_a_path_may_hold_any_text() -> None:
    scope = request("GET", "/a/\ufffdä", raw_path=b"/a/%EF%BF%BD%C3%A4")
    assert call(application(route(echo, path="/a/{id}")), scope).json == {"id": "\ufffdä"}


def test_a_query_becomes_the_request() -> None:
    app = application(route(echo, request=Thing, source="query"))
    answer = call(app, request("GET", "/a", query=b"name=x&sizes=1&sizes=2&unknown=3"))
    assert answer.json == {"name": "x", "sizes": [1, 2]}


def test_a_get_without_query_takes_its_values_from_the_body() -> None:
    app = application(route(echo, request=Thing, source="query"))
    answer = call(app, request("GET", "/a", headers=JSON), [b'{"name": "x"}'])
    assert answer.json["name"] == "x"


def test_no_body_means_no_values() -> None:
    app = application(route(echo, "POST", request=Thing, source="body"))
    assert call(app, request("POST", "/a")).json == {"name": None, "sizes": []}


def test_a_wrong_value_names_its_field() -> None:
    app = application(route(echo, "POST", request=Thing, source="body"))
    answer = call(app, request("POST", "/a", headers=JSON), [b'{"sizes": [1, "x"]}'])
    assert answer.error == (400, "INVALID_PARAMETER_VALUE")
    assert answer.json["field"] == "sizes[1]"


def test_a_stream_is_left_to_the_handler() -> None:
    async def count(got: Call) -> Any:
        message = await got.receive()
        return len(message["body"])

    app = application(route(count, "PUT", source="stream"), max_body=1)
    assert call(app, request("PUT", "/a"), [b"x" * 5000]).json == 5000


def test_guards_come_before_everything() -> None:
    def guard(scope: Scope) -> None:
        raise PermissionDenied("no")

    assert call(application(guards=[guard]), request("GET", "/x")).error == (403, "PERMISSION_DENIED")


def test_authorization_comes_before_the_body_is_read() -> None:
    # Given
    def refuse(scope: Scope, route: Route, path: Mapping[str, str]) -> None:
        raise PermissionDenied("no")

    app = application(route(echo, "POST", request=Thing, source="body"), authorize=refuse)
    # When
    answer = call(app, request("POST", "/a", headers=JSON), [b"not json"])
    # Then
    assert answer.error == (403, "PERMISSION_DENIED")
    assert answer.received == 0


def test_a_fault_of_ours_tells_no_detail_but_where_to_look(caplog: pytest.LogCaptureFixture) -> None:
    answer = call(application(failing(RuntimeError("secret detail"))), request("GET", "/a"))
    assert answer.error == (500, "INTERNAL_ERROR")
    assert "secret" not in answer.json["message"]
    assert answer.json["request_id"] in answer.json["message"]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret detail"


@pytest.mark.parametrize(
    ("error", "lines"),
    [(Unavailable("later"), 1), (NotImplementedHere("no"), 0), (NotFound("none"), 0)],
)
def test_what_an_operator_should_know_is_logged(
    error: Exception, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    call(application(failing(error)), request("GET", "/a"))
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * lines


def test_a_success_is_logged_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    app = application(route(plain))
    with caplog.at_level(logging.INFO):
        call(app, request("GET", "/a"))
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG):
        call(app, request("GET", "/a"))
    assert [vars(r)["status"] for r in caplog.records if r.name == "runyard.web"] == [200]


def test_a_client_that_goes_away_gets_nothing_and_is_counted() -> None:
    # Given
    traffic = Traffic()
    app = application(route(echo, "POST", request=Thing, source="body"), traffic=traffic)
    # When
    answer = call(app, request("POST", "/a", headers=JSON), [b'{"na'], gone=True)
    # Then
    assert answer.sent == []
    assert traffic.route("POST", "/a").statuses == {CLIENT_GONE: 1}


def test_a_response_that_fails_halfway_is_cut_off() -> None:
    # Given
    async def broken(got: Call) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"a"
            raise Unavailable("gone")

        return StreamingResponse(pieces())

    exchange = Exchange({**request("GET", "/a"), "asgi": {"spec_version": "2.4"}})
    # When
    with pytest.raises(ResponseCutOff):
        asyncio.run(application(route(broken))(exchange.scope, exchange.receive, exchange.send))
    # Then there is a beginning without an end
    assert exchange.status == 200
    assert all(m.get("more_body", True) for m in exchange.sent[1:])


class Pieces:
    """A response without end; `closed` says that its source has been given back."""

    def __init__(self) -> None:
        self.closed = False

    async def handler(self, got: Call) -> Response:
        return StreamingResponse(self._make())

    async def _make(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"a"
        finally:
            await asyncio.sleep(0)  # as closing a file in a thread would
            self.closed = True


STREAMING = {**request("GET", "/a"), "asgi": {"spec_version": "2.4"}}


def test_the_source_of_a_response_is_closed_when_a_shutdown_cuts_it_off() -> None:
    # Given a client that reads nothing
    pieces, exchange, full = Pieces(), Exchange(STREAMING), asyncio.Event()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            full.set()
            await asyncio.Event().wait()

    async def serve_and_cancel() -> bool:
        app = application(route(pieces.handler))
        task = asyncio.ensure_future(app(exchange.scope, exchange.receive, send))
        await full.wait()
        task.cancel()
        with pytest.raises(ResponseCutOff):
            await task
        return pieces.closed

    # When, Then
    assert asyncio.run(serve_and_cancel())


def test_the_source_of_a_response_is_closed_when_the_client_goes_away() -> None:
    # Given a server that notices it while it sends
    pieces, exchange = Pieces(), Exchange(STREAMING)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError("connection reset")

    async def serve() -> bool:
        await application(route(pieces.handler))(exchange.scope, exchange.receive, send)
        return pieces.closed

    # When, Then
    assert asyncio.run(serve())


def test_a_shutdown_that_waits_no_longer_is_answered() -> None:
    # Given
    started = asyncio.Event()

    async def slow(got: Call) -> Any:
        started.set()
        await asyncio.Event().wait()

    exchange = Exchange(request("GET", "/a"))

    async def serve_and_cancel() -> None:
        app = application(route(slow))
        task = asyncio.ensure_future(app(exchange.scope, exchange.receive, exchange.send))
        await started.wait()
        task.cancel()
        await task

    # When
    asyncio.run(serve_and_cancel())
    # Then
    assert exchange.error == (503, "TEMPORARILY_UNAVAILABLE")


def _live(app: Application, *messages: str) -> list[Message]:
    waiting = [{"type": f"lifespan.{name}"} for name in messages]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return sent


def test_the_lifespan_opens_and_closes() -> None:
    # Given
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        seen.append("open")
        yield
        seen.append("close")

    # When
    sent = _live(application(lifespan=lifespan), "startup", "shutdown")
    # Then
    assert seen == ["open", "close"]
    assert [m["type"] for m in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(("error", "traces"), [(Unavailable("no room"), 0), (ValueError("no room"), 1)])
def test_a_start_that_fails_says_why(error: Exception, traces: int, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        if error:
            raise error
        yield

    # When
    sent = _live(application(lifespan=lifespan), "startup")
    # Then
    assert sent == [{"type": "lifespan.startup.failed", "message": "startup failed: no room"}]
    assert len([r for r in caplog.records if r.exc_info]) == traces


def test_an_end_that_fails_says_so() -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("disk gone")

    sent = _live(application(lifespan=lifespan), "startup", "shutdown")
    assert sent[-1] == {"type": "lifespan.shutdown.failed", "message": "shutdown failed: disk gone"}
