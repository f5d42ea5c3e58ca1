"""`/health`, `/version`, `/metrics`, `/api/openapi.json` and the native `/api/runyard/1/server`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec
from starlette.responses import PlainTextResponse, Response

from runyard import __version__
from runyard.server.auth import Permission
from runyard.server.db import Database
from runyard.server.web import Call, Route, openapi
from runyard.server.web.traffic import Counters, Gauge, GroupTraffic, Traffic

TAG = "server"


class Limits(msgspec.Struct, frozen=True):
    """What a request may be; sizes in bytes, 0 where there is no limit.

    Attributes:
        body: the largest JSON body.
        database: the largest size of the SQLite file.
        artifacts: the largest size of all artifacts together.
    """

    body: int
    database: int
    artifacts: int


class ServerFacts(msgspec.Struct, frozen=True):
    """What a client may know of the server.

    Attributes:
        version: Runyard's version.
        database: `sqlite` or `postgresql`.
        workers: how many processes answer.
        limits: what a request may be.
    """

    version: str
    database: str
    workers: int
    limits: Limits


class OperationEndpoints:
    """Handlers of the endpoints that aren't about experiments.

    Args:
        database: asked by `/health`.
        traffic: the answered requests, shown by `/metrics`.
        groups: the committed groups, shown by `/metrics`.
        table: the routes that the OpenAPI document tells of.
        gauges: further numbers, shown by `/metrics`.
        workers: how many processes answer.
        limits: what a request may be.
    """

    def __init__(
        self,
        database: Database,
        traffic: Traffic,
        groups: GroupTraffic,
        *,
        gauges: Sequence[Gauge],
        table: Callable[[], Sequence[Route]],
        workers: int,
        limits: Limits,
    ) -> None:
        self._database = database
        self._counters = Counters(traffic, groups, (*_gauges(database), *gauges), _info(database))
        self._table = table
        self._facts = ServerFacts(__version__, database.dialect.name, workers, limits)

    def routes(self) -> list[Route]:
        """The table of these endpoints."""

        def get(path: str, handler: object, response: object, need: Permission, text: str) -> Route:
            return Route(
                method="GET",
                path=path,
                handler=handler,  # type: ignore[arg-type]
                permission=need,
                summary=text,
                response=response,
                tag=TAG,
            )

        public, read = Permission.PUBLIC, Permission.SIGNED_IN
        return [
            get("/health", self.health, str, public, "Whether the server and its database answer"),
            get("/version", self.version, str, public, "Runyard's version"),
            get("/metrics", self.metrics, str, read, "Counters of this process for Prometheus"),
            get("/api/openapi.json", self.openapi, dict, public, "This document"),
            get("/api/runyard/1/server", self.facts, ServerFacts, read, "The server's version and limits"),
        ]

    async def health(self, call: Call) -> Response:
        """`OK`, or 503 when the database doesn't answer."""
        del call
        await self._database.ping()
        return PlainTextResponse("OK")

    async def version(self, call: Call) -> Response:
        """Runyard's version as plain text."""
        del call
        return PlainTextResponse(__version__)

    async def metrics(self, call: Call) -> Response:
        """What this process has counted since it started."""
        del call
        # prometheus_client is imported at the first scrape: a start doesn't need it.
        from runyard.server.web import telemetry

        return Response(telemetry.render(self._counters), headers={"content-type": telemetry.CONTENT_TYPE})

    async def openapi(self, call: Call) -> Response:
        """The OpenAPI document, made at the first call."""
        del call
        return Response(self._document, media_type="application/json")

    async def facts(self, call: Call) -> ServerFacts:
        """The server's version and limits."""
        del call
        return self._facts

    @cached_property
    def _document(self) -> bytes:
        told = openapi.document(self._table(), title="Runyard", version=__version__)
        return msgspec.json.encode(told)


def _gauges(database: Database) -> tuple[Gauge, ...]:
    return (
        Gauge("runyard_write_queue_length", "Mutations that wait for a group.", lambda: database.waiting),
        Gauge("runyard_database_bytes", "Size of the SQLite files.", database.dialect.stored_bytes),
    )


def _info(database: Database) -> dict[str, str]:
    # The process tells the workers apart: each counts for itself.
    return {"version": __version__, "database": database.dialect.name, "process": str(os.getpid())}
