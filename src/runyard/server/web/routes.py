"""A route is data: from the table come the router, the authorization and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from runyard.server.web.bodies import parse_query

Handler = Callable[[Any], Awaitable[Any]]
Source = Literal["body", "query", "none", "stream"]


class Call:
    """One request on its way to a handler.

    Attributes:
        body: the decoded request struct; None for a route without one.
        path: values of the path's parameters.
        principal: who calls; what `authorize` returned.
        request_id: names the request in logs and error answers.
    """

    __slots__ = ("body", "path", "principal", "receive", "request_id", "scope", "send")

    def __init__(
        self,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
        body: Any,
        path: Mapping[str, str],
        principal: Any,
        request_id: str,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.body = body
        self.path = path
        self.principal = principal
        self.request_id = request_id

    @property
    def headers(self) -> Headers:
        """The request's headers, case-insensitive."""
        return Headers(scope=self.scope)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string's values by name."""
        return parse_query(self.scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One method on one path.

    Args:
        method: GET, POST, ...
        path: with parameters in braces: `{name}` for one segment, `{name:path}` for the rest.
        handler: takes a `Call`; returns a value for JSON, or an ASGI response (a Starlette `Response`).
        permission: what the caller needs; there is no default, so none can be forgotten.
        summary: one line for the OpenAPI document.
        request: the request's struct; None when the route takes none.
        source: where the struct comes from; `stream` leaves the body to the handler, and the struct only
            tells which parameters the query may have.
        response: the answer's type, for the OpenAPI document.
        tag: the group in the OpenAPI document.
        page: it is a page for people, and so left out of the OpenAPI document.
        status: of a success; 204 has no content.
    """

    method: str
    path: str
    handler: Handler
    permission: Enum
    summary: str
    request: type[msgspec.Struct] | None = None
    source: Source = "none"
    response: Any = None
    tag: str = ""
    status: int = 200
    # A second address of another route; it is left out of the OpenAPI document.
    alias: bool = False
    page: bool = False


def post(
    path: str,
    handler: Handler,
    request: type[msgspec.Struct],
    response: Any,
    permission: Enum,
    summary: str,
) -> Route:
    """A route that takes a JSON body."""
    return Route(
        method="POST",
        path=path,
        handler=handler,
        permission=permission,
        summary=summary,
        request=request,
        source="body",
        response=response,
        tag=_noun(path),
    )


def get(
    path: str,
    handler: Handler,
    request: type[msgspec.Struct],
    response: Any,
    permission: Enum,
    summary: str,
) -> Route:
    """A GET route that takes its request from the query string."""
    return Route(
        method="GET",
        path=path,
        handler=handler,
        permission=permission,
        summary=summary,
        request=request,
        source="query",
        response=response,
        tag=_noun(path),
    )


def _noun(path: str) -> str:
    """What a path is about: `runs` in `/mlflow/runs/get`."""
    return path.split("/")[2]


@dataclass(frozen=True, slots=True)
class Twin:
    """Further addresses of one route: MLflow's `/ajax-api` beside `/api`, version 3.0 beside 2.0."""

    prefixes: tuple[str, ...]

    def expand(self, route: Route) -> list[Route]:
        """The route under every prefix; the first is the documented one."""
        return [
            replace(route, path=prefix + route.path, alias=route.alias or i > 0)
            for i, prefix in enumerate(self.prefixes)
        ]


# A target and the names of its path's parameters.
_Entry = tuple[Any, tuple[str, ...]]


@dataclass(slots=True)
class _Node:
    """A step of the tree of paths that have parameters."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    one: _Node | None = None
    routes: dict[str, _Entry] = field(default_factory=dict)
    rest: dict[str, _Entry] = field(default_factory=dict)


class Router:
    """Finds what stands at a method and path: a dict for fixed paths, a tree for those with parameters."""

    def __init__(self, entries: Iterable[tuple[str, str, Any]]) -> None:
        self._fixed: dict[tuple[str, str], Any] = {}
        self._methods: dict[str, set[str]] = {}
        self._root = _Node()
        for method, path, target in entries:
            if "{" in path:
                self._add_to_tree(method, path, target)
            elif (method, path) in self._fixed:
                raise ValueError(f"two routes at {method} {path}")
            else:
                self._fixed[method, path] = target
                self._methods.setdefault(path, set()).add(method)

    def find(self, method: str, path: str) -> tuple[Any, dict[str, str]] | None:
        """The target and the path's parameters, or None."""
        target = self._fixed.get((method, path))
        if target is not None:
            return target, {}
        found = self._walk(self._root, path.strip("/").split("/"), 0, [], method)
        if found is None:
            return None
        (target, names), values = found
        return target, dict(zip(names, values, strict=True))

    def methods(self, path: str) -> set[str]:
        """The methods that the path answers; empty when there is no such path."""
        found = set(self._methods.get(path, ()))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if self._walk(self._root, path.strip("/").split("/"), 0, [], method) is not None:
                found.add(method)
        return found

    def _add_to_tree(self, method: str, path: str, target: Any) -> None:
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            if segment.endswith(":path}"):
                names.append(segment[1:-6])
                _put(node.rest, method, path, (target, tuple(names)))
                return
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.one = node.one or _Node()
                node = node.one
            else:
                node = node.fixed.setdefault(segment, _Node())
        _put(node.routes, method, path, (target, tuple(names)))

    def _walk(
        self, node: _Node, segments: list[str], at: int, values: list[str], method: str
    ) -> tuple[_Entry, list[str]] | None:
        if at == len(segments):
            found = node.routes.get(method)
            return None if found is None else (found, values)
        segment = segments[at]
        if segment in node.fixed:
            deeper = self._walk(node.fixed[segment], segments, at + 1, values, method)
            if deeper is not None:
                return deeper
        if node.one is not None and segment:
            deeper = self._walk(node.one, segments, at + 1, [*values, segment], method)
            if deeper is not None:
                return deeper
        rest = node.rest.get(method)
        return None if rest is None else (rest, [*values, "/".join(segments[at:])])


def _put(routes: dict[str, _Entry], method: str, path: str, entry: _Entry) -> None:
    if method in routes:
        raise ValueError(f"two routes at {method} {path}")
    routes[method] = entry
