"""Calls an application as an HTTP server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from runyard.server.web import Application, Route
from runyard.server.web.traffic import Traffic

Headers = Sequence[tuple[bytes, bytes]]

JSON: Headers = [(b"content-type", b"application/json")]


class Permission(Enum):
    """Stands for the real ones, which this room doesn't know."""

    ANY = "any"


@dataclass
class Exchange:
    """One request with its answer.

    `chunks` is the body as it comes in; `gone` means that the client goes away after it.
    """

    scope: Scope
    chunks: list[bytes] = field(default_factory=list)
    gone: bool = False
    sent: list[Message] = field(default_factory=list)
    received: int = 0

    async def receive(self) -> Message:
        self.received += 1
        at = self.received - 1
        if at < len(self.chunks):
            more = at + 1 < len(self.chunks) or self.gone
            return {"type": "http.request", "body": self.chunks[at], "more_body": more}
        if self.gone:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["error_code"]


def request(
    method: str, path: str, *, query: bytes = b"", headers: Headers = (), raw_path: bytes | None = None
) -> Scope:
    """A scope as uvicorn makes it."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": raw_path if raw_path is not None else path.encode(),
        "query_string": query,
        "headers": list(headers),
    }


def application(*routes: Route, max_body: int = 1000, **more: Any) -> Application:
    """An application that lets everybody in."""
    given: dict[str, Any] = {"authorize": lambda scope, route, path: None, "traffic": Traffic(), **more}
    return Application(routes=routes, max_body=max_body, **given)


def route(
    handler: Callable[[Any], Awaitable[Any]], method: str = "GET", path: str = "/a", **more: Any
) -> Route:
    """A route that needs nothing."""
    return Route(
        method=method, path=path, handler=handler, permission=Permission.ANY, summary="Does it", **more
    )


def call(app: ASGIApp, scope: Scope, chunks: Iterable[bytes] = (), *, gone: bool = False) -> Exchange:
    """Send one request."""
    exchange = Exchange(scope, list(chunks), gone)
    asyncio.run(_run(app, exchange))
    return exchange


async def _run(app: ASGIApp, exchange: Exchange) -> None:
    await app(exchange.scope, exchange.receive, exchange.send)
