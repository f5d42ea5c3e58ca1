"""The ASGI application: finds the route, authorizes, decodes, calls, encodes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import (
    EndpointNotFound,
    MethodNotAllowed,
    RunyardError,
    TooLarge,
    UnsupportedMediaType,
)
from runyard.server.web.errors import ErrorAnswer, invalid_from, render, render_unexpected
from runyard.server.web.routes import Call, Route, Router, parse_query
from runyard.server.web.traffic import RouteTraffic, Traffic

Authorize = Callable[[Scope, Route], Any]
Guard = Callable[[Scope], None]

log = logging.getLogger("runyard.web")

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class _Target:
    """A route made ready: its decoder and its counters."""

    __slots__ = ("decode", "lists", "route", "traffic")

    def __init__(self, route: Route, traffic: RouteTraffic) -> None:
        self.route = route
        self.traffic = traffic
        self.decode: Callable[[bytes], Any] | None = None
        self.lists: frozenset[str] = frozenset()
        if route.request is not None and route.source == "body":
            self.decode = msgspec.json.Decoder(route.request, strict=False).decode
        elif route.request is not None:
            fields = msgspec.json.schema(route.request)
            properties = next(iter(fields["$defs"].values()))["properties"] if "$defs" in fields else {}
            self.lists = frozenset(n for n, p in properties.items() if "array" in str(p))


class Application:
    """Serves a table of routes.

    Args:
        routes: every route; each declares its permission.
        authorize: takes the request's scope and the route; returns the principal or raises.
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
        self._max_body = max_body
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
        traffic, status = self._unrouted, 500
        sender = _Sender(send, scope["method"] == "HEAD")
        try:
            for guard in self._guards:
                guard(scope)
            found = self._find(scope)
            if found is None:
                answer: Any = await self._answer_unrouted(scope)
            else:
                target, path = found
                traffic = target.traffic
                principal = self._authorize(scope, target.route)
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
                await answer(scope, receive, sender)
            else:
                status = 200
                await _send_json(sender, 200, _encode(answer))
        except RunyardError as error:
            status, rendered = render(error, request_id)
            await self._fail(sender, status, rendered, scope, error)
        except ClientDisconnect:
            status = 499
        except Exception as error:
            status, rendered = render_unexpected(request_id)
            log.exception("request failed", extra={"request_id": request_id, "path": scope["path"]})
            await self._fail(sender, status, rendered, scope, error)
        finally:
            traffic.observe(status, clock.monotonic() - started)

    def _find(self, scope: Scope) -> tuple[_Target, dict[str, str]] | None:
        method, path = scope["method"], scope["path"]
        if method == "HEAD":
            method = "GET"
        found = self._router.find(method, path)
        if found is None and path.endswith("/") and len(path) > 1:
            found = self._router.find(method, path.rstrip("/"))
        return found

    async def _answer_unrouted(self, scope: Scope) -> Response:
        allowed = self._router.methods(scope["path"])
        if allowed:
            raise MethodNotAllowed(
                f"{scope['path']} doesn't take {scope['method']}; it takes {', '.join(sorted(allowed))}."
            )
        if self._fallback is None:
            raise EndpointNotFound(f"There is nothing at {scope['path']}.")
        return await self._fallback(scope)

    async def _read(self, target: _Target, scope: Scope, receive: Receive) -> Any:
        route = target.route
        if route.request is None:
            return None
        try:
            if target.decode is not None:
                raw = await self._read_body(scope, receive)
                return target.decode(raw or b"{}")
            values = {
                name: found if name in target.lists else found[-1]
                for name, found in parse_query(scope).items()
            }
            return msgspec.convert(values, route.request, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise invalid_from(error) from error

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        message = await receive()
        _refuse_gone(message)
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            parts, size = [body], len(body)
            while True:
                message = await receive()
                _refuse_gone(message)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self._max_body:
                    break
                if not message.get("more_body", False):
                    break
            body = b"".join(parts)
        if len(body) > self._max_body:
            raise TooLarge(
                f"The request body is larger than the limit of {self._max_body:,} bytes; "
                "send it in several requests."
            )
        if body:
            _require_json(scope)
        return body

    async def _fail(
        self, sender: _Sender, status: int, answer: ErrorAnswer, scope: Scope, error: Exception
    ) -> None:
        if sender.started:
            # The status line is out: cutting the connection is the only way left to say that it failed.
            log.warning("response cut off: %s", error, extra={"request_id": answer.request_id})
            raise error
        if status >= 500 and isinstance(error, RunyardError):
            log.warning("%s %s: %s", scope["method"], scope["path"], error)
        await _send_json(sender, status, _encode(answer))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if self._lifespan is None:
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        started = False
        try:
            async with self._lifespan():
                started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            log.exception("shutdown failed" if started else "start failed")
            kind = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": str(error)})
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


async def _send_json(send: _Sender, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse_gone(message: Message) -> None:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect


def _require_json(scope: Scope) -> None:
    """A browser can send other types to any address without asking; JSON needs our consent (CORS)."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value.startswith(b"application/json"):
                return
            break
    raise UnsupportedMediaType("Send the body as JSON with the header 'Content-Type: application/json'.")
