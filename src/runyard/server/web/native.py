"""Rows of the table of routes for Runyard's own interface, `/api/runyard/1/...`."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import msgspec

from runyard.server.web.routes import Handler, Route

PREFIX = "/api/runyard/1"


class Done(msgspec.Struct):
    """The answer where there is nothing to tell."""


def native(
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    path: str,
    handler: Handler,
    request: type[msgspec.Struct] | None,
    response: Any,
    permission: Enum,
    summary: str,
) -> Route:
    """A route below the prefix.

    A GET takes its request from the query, the others from a JSON body; with None the address says all.
    """
    return Route(
        method=method,
        path=PREFIX + path,
        handler=handler,
        permission=permission,
        summary=summary,
        request=request,
        source="none" if request is None else "query" if method == "GET" else "body",
        response=response,
        tag=_noun(path),
    )


def _noun(path: str) -> str:
    """What a path is about: `users` in `/users/{name}`, `members` in `/workspaces/{workspace}/members`."""
    fixed = [segment for segment in path.strip("/").split("/") if not segment.startswith("{")]
    return fixed[1] if path.startswith("/workspaces/{workspace}/") else fixed[0]
