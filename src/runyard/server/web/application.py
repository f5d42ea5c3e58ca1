"""The ASGI application: finds the route, authorizes, decodes, calls, encodes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import (
    EndpointNotFound,
    LimitExceeded,
    MethodNotAllowed,
    RunyardError,
    Unauthenticated,
    Unavailable,
)
from runyard.server.web.bodies import BodyReader, check_path, decoder_of, query_reader_of
from runyard.server.web.errors import render, render_unexpected, understood
from runyard.server.web.logs import in_request
from runyard.server.web.routes import Call, Route, Router
from runyard.server.web.traffic import RouteTraffic, Traffic

# The principal, or what gives it when it is awaited.
Authorize = Callable[[Scope, Route, Mapping[str, str]], Any]
Guard = Callable[[Scope], None]

log = logging.getLogger("runyard.web")

# Characters of an address that an error shows.
MAX_SHOWN = 200
# What is counted where the client went away before its answer; it is never sent.
CLIENT_GONE = 499

NO_CONTENT = 204

_JSON = (b"content-type", b"application/json")
_SLASHES = re.compile("/{2,}")
_encode = msgspec.json.Encoder().encode


class ResponseCutOff(Exception):
    """A response failed after its status line had left."""


class _Target:
    """A route made ready: its readers and its counters."""

    __slots__ = ("decode", "read_query", "route", "traffic")

    def __init__(self, route: Route, traffic: RouteTraffic) -> None:
        self.route = route
        self.traffic = traffic
        self.decode: Callable[[bytes], Any] | None = None
        self.read_query: Callable[[Scope], Any] | None = None
        if route.request is not None and route.source in ("body", "query"):
            self.decode = decoder_of(route.request)
            if route.source == "query":
                self.read_query = query_reader_of(route.request)


class Application:
    """Serves a table of routes.

    Args:
        routes: every route; each declares its permission.
        authorize: takes the request's scope, the route and the path's parameters; returns the principal, or
            a coroutine that does; or raises.
        guards: checks of every request before anything else, such as the Host name.
        fallback: answers what no route does (a known but refused endpoint, the browser's pages);
            raises `EndpointNotFound` when it doesn't either.
        lifespan: opened at the start, closed at the shutdown.
        max_body: the largest JSON body in bytes.
        traffic: counts requests for Prometheus.
    """

    def __init__(
        self,
        *,
        routes: Sequence[Route],
        authorize: Authorize,
        traffic: Traffic,
        max_body: int,
        guards: Iterable[Guard] = (),
        fallback: Callable[[Scope], Awaitable[Response]] | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self.routes = tuple(routes)
        self._authorize = authorize
        self._guards = tuple(guards)
        self._fallback = fallback
        self._lifespan = lifespan
        self._bodies = BodyReader(max_body)
        self._unrouted = traffic.route("other", "other")
        self._router = Router(
            (r.method, r.path, _Target(r, traffic.route(r.method, r.path))) for r in self.routes
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = clock.monotonic()
        request_id = ids.new_request_id()
        in_request.set((request_id, scope))
        traffic, status, success = self._unrouted, 500, 200
        sender = _Sender(send, scope["method"] == "HEAD")
        try:
            for guard in self._guards:
                guard(scope)
            found = self._find(scope)
            if found is None:
                answer: Any = await self._answer_unrouted(scope)
            else:
                target, path = found
                traffic, success = target.traffic, target.route.status
                principal = self._authorize(scope, target.route, path)
                if isinstance(principal, Coroutine):
                    principal = await principal
                body = await self._read(target, scope, receive)
                call = Call(
                    scope=scope,
                    receive=receive,
                    send=sender,
                    body=body,
                    path=path,
                    principal=principal,
                    request_id=request_id,
                )
                answer = await target.route.handler(call)
            if isinstance(answer, Response):
                status = answer.status_code
                await _respond(answer, scope, receive, sender)
            else:
                status = success
                await _send_json(sender, success, b"" if success == NO_CONTENT else _encode(answer))
        except ClientDisconnect:
            status = CLIENT_GONE
        except asyncio.CancelledError:
            # Only a shutdown that has waited long enough cancels a request.
            told = Unavailable(
                "The server is shutting down and stopped waiting for this request; it may have been "
                "carried out. Look before you send it again."
            )
            status = await self._fail(sender, told, scope, request_id)
        except Exception as error:  # noqa: BLE001 - logged and answered as a fault of ours
            status = await self._fail(sender, error, scope, request_id)
        finally:
            traffic.observe(status, clock.monotonic() - started)
            if log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "answered in %.1f ms", (clock.monotonic() - started) * 1000, extra={"status": status}
                )

    def _find(self, scope: Scope) -> tuple[_Target, dict[str, str]] | None:
        method, path = scope["method"], scope["path"]
        if b"%" in (scope.get("raw_path") or b""):
            check_path(scope)
        if method == "HEAD":
            method = "GET"
        found = self._router.find(method, path)
        if found is None:
            plain = _plain(path)
            if plain != path:
                found = self._router.find(method, plain)
        return found

    async def _answer_unrouted(self, scope: Scope) -> Response:
        allowed = self._router.methods(_plain(scope["path"]))
        shown = scope["path"][:MAX_SHOWN]
        if allowed:
            raise MethodNotAllowed(
                f"{shown} doesn't take {scope['method']}; it takes {', '.join(sorted(allowed))}.",
                allowed=frozenset(allowed),
            )
        if self._fallback is None:
            raise EndpointNotFound(f"There is nothing at {shown}.")
        return await self._fallback(scope)

    async def _read(self, target: _Target, scope: Scope, receive: Receive) -> Any:
        if target.decode is None:
            return None
        if target.read_query is not None and scope["query_string"]:
            return target.read_query(scope)
        # MLflow's server takes the values of a GET without a query from its body.
        return target.decode(await self._bodies.read(scope, receive) or b"{}")

    async def _fail(self, sender: _Sender, error: Exception, scope: Scope, request_id: str) -> int:
        """Answer an error; returns the status."""
        known = isinstance(error, RunyardError)
        status, answer = render(error, request_id) if known else render_unexpected(request_id)  # type: ignore[arg-type]
        if not known:
            log.error("request failed: %s", type(error).__name__, exc_info=error, extra={"status": status})
        elif status >= 500 and status != 501:
            log.warning("%s", error, extra={"status": status})
        if sender.started:
            # The status line is out: cutting the connection is the only way left to say that it failed.
            log.warning("response cut off", extra={"status": status})
            raise ResponseCutOff from error
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if isinstance(error, MethodNotAllowed):
            headers = ((b"allow", ", ".join(sorted(error.allowed)).encode()),)
        elif isinstance(error, LimitExceeded) and error.wait is not None:
            headers = ((b"retry-after", b"%d" % error.wait),)
        elif isinstance(error, Unauthenticated):
            headers = ((b"www-authenticate", b'Bearer realm="Runyard"'),)
        await _send_json(sender, status, _encode(understood(answer, scope)), headers)
        return status

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            if self._lifespan is None:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            else:
                async with self._lifespan():
                    await send({"type": "lifespan.startup.complete"})
                    phase = "shutdown"
                    await receive()
        except (RunyardError, OSError) as error:
            # Such a message says all; the HTTP server logs it.
            await send({"type": f"lifespan.{phase}.failed", "message": f"{phase} failed: {error}"})
        except Exception as error:
            log.exception("%s failed", phase)
            await send({"type": f"lifespan.{phase}.failed", "message": f"{phase} failed: {error}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})


class _Sender:
    """`send` that remembers whether the answer has begun, and drops bodies for HEAD."""

    __slots__ = ("_head", "_send", "started")

    def __init__(self, send: Send, head: bool) -> None:
        self._send = send
        self._head = head
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        if self._head and message["type"] == "http.response.body":
            message = {
                "type": "http.response.body",
                "body": b"",
                "more_body": message.get("more_body", False),
            }
        await self._send(message)


async def _respond(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response; what its pieces come from is closed at once, however it ends."""
    try:
        await answer(scope, receive, send)
    finally:
        if isinstance(answer, StreamingResponse) and isinstance(answer.body_iterator, AsyncGenerator):
            await answer.body_iterator.aclose()


async def _send_json(
    send: _Sender, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    sent = [_JSON, (b"content-length", b"%d" % len(body)), *headers] if status != NO_CONTENT else []
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def _plain(path: str) -> str:
    """The path without doubled slashes and without one at its end."""
    return (_SLASHES.sub("/", path) if "//" in path else path).rstrip("/") or "/"
