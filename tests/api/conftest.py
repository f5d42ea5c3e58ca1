"""The whole server, called in-process at its HTTP surface, on both databases.

The fixture `api` is a started server (`runyard.server.app.build`) on a fresh database:

    def test_runs_begin_running(api: Api) -> None:
        # Given
        experiment = api.post("experiments/create", {"name": "a"}).ok()["experiment_id"]
        # When
        run = api.post("runs/create", {"experiment_id": experiment}).ok()["run"]
        # Then
        assert run["info"]["status"] == "RUNNING"

    def test_a_run_needs_its_experiment(api: Api) -> None:
        reply = api.post("runs/create", {"experiment_id": "99"})
        assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
        assert "99" in reply.message

* Paths are MLflow's, below `/api/2.0/mlflow/`, unless they begin with a slash.
* `get`, `post`, `put`, `patch`, `delete` take a path and JSON (`get`: parameters of the query); `request`
  takes raw bodies and headers as well. All return a `Reply`; `Reply.ok()` asserts success, gives the body.
* `together` sends many requests at once, for races.
* `assert_refused` checks a table of bad requests in one test: one server for all of them.
* `experiment()` and `run()` make what most tests begin with.
* `as_` is the same server for somebody else: `api.as_(token).get("/api/runyard/1/whoami")`, or in another
  workspace. Whole teams are in `tests.api.auth.team`.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
import threading
from collections.abc import AsyncIterable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.types import ASGIApp, Message, Scope

from runyard.server import app, settings

T = TypeVar("T")

MLFLOW = "/api/2.0/mlflow/"
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server; `body` is None where it isn't JSON."""

    status: int
    body: Any
    content: bytes
    headers: httpx.Headers

    def ok(self) -> Any:
        """The body of a success."""
        assert self.status == 200, f"{self.status}: {self.content[:500]!r}"
        return self.body

    @property
    def error(self) -> tuple[int, str | None]:
        """The status and MLflow's error code; None for the code of a success."""
        return self.status, self.body.get("error_code") if isinstance(self.body, dict) else None

    @property
    def message(self) -> str:
        """What the server says about a failure."""
        return str(self.body["message"])

    @property
    def field(self) -> str | None:
        """The field that a failure is about."""
        found: str | None = self.body.get("field")
        return found


def assert_refused(
    replies: Mapping[str, Reply],
    fields: Mapping[str, str],
    error: tuple[int, str] = (400, "INVALID_PARAMETER_VALUE"),
) -> None:
    """Every reply of a table of cases is this error and names its field."""
    assert {name: reply.error for name, reply in replies.items()} == dict.fromkeys(fields, error)
    assert {name: reply.field for name, reply in replies.items()} == fields


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)

    def close(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()


class Lifespan:
    """Starts and stops an ASGI application by its own protocol."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the application has started."""
        work = self._application({"type": "lifespan"}, self._to_app.get, self._from_app.put)
        self._task = asyncio.ensure_future(work)
        await self._exchange("startup")

    async def stop(self) -> None:
        """Returns when the application has stopped."""
        await self._exchange("shutdown")
        assert self._task is not None
        await self._task

    async def _exchange(self, phase: str) -> None:
        await self._to_app.put({"type": f"lifespan.{phase}"})
        answer = await self._from_app.get()
        assert answer["type"] == f"lifespan.{phase}.complete", answer


class Api:
    """A client of one server in this process."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._loop = Loop()
        self._lifespan = Lifespan(application)
        self._transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=self._transport, base_url="http://127.0.0.1", timeout=TIMEOUT, trust_env=False
        )
        # A session is sent by whoever means to.
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._names = itertools.count(1)
        self._headers: dict[str, str] = {}

    def as_(
        self,
        token: str | None = None,
        *,
        password: tuple[str, str] | None = None,
        workspace: str | None = None,
    ) -> Api:
        """The same server for whoever has this token, or this name and password; for nobody without one.

        The workspace is that of every request; None for the one that is meant when none is named.
        """
        other = copy.copy(self)
        other._headers = {}
        if token is not None:
            other._headers["Authorization"] = f"Bearer {token}"
        if password is not None:
            pair = base64.b64encode(":".join(password).encode()).decode()
            other._headers["Authorization"] = f"Basic {pair}"
        if workspace is not None:
            other._headers["X-MLFLOW-WORKSPACE"] = workspace
        return other

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        """A GET with these parameters; a list gives one parameter several values."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Any = None) -> Reply:
        """A POST of JSON."""
        return self.request("POST", path, body)

    def put(self, path: str, body: Any = None) -> Reply:
        """A PUT of JSON."""
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Any = None) -> Reply:
        """A PATCH of JSON."""
        return self.request("PATCH", path, body)

    def delete(self, path: str, body: Any = None) -> Reply:
        """A DELETE, with JSON where MLflow sends some."""
        return self.request("DELETE", path, body)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Any request: with `body` as JSON, or with `content` as it is, which may come in pieces."""
        return self._loop.run(self._send(method, path, body, query=query, content=content, headers=headers))

    def together(self, requests: Iterable[tuple[str, str, Any]]) -> list[Reply]:
        """Send (method, path, JSON) all at once; the answers come in the order of the requests."""

        async def send() -> list[Reply]:
            return await asyncio.gather(*(self._send(*request) for request in requests))

        return self._loop.run(send())

    def call(self, requests: Sequence[tuple[Scope, bytes]], *, together: bool) -> list[tuple[int, bytes]]:
        """Whole ASGI scopes with their bodies, one after the other or at once: the statuses and bodies."""

        async def send() -> list[tuple[int, bytes]]:
            if together:
                return await asyncio.gather(*(self._exchange(*request) for request in requests))
            return [await self._exchange(*request) for request in requests]

        return self._loop.run(send())

    def experiment(self, name: str | None = None, **fields: Any) -> str:
        """A new experiment's id."""
        chosen = name or f"experiment {next(self._names)}"
        return str(self.post("experiments/create", {"name": chosen, **fields}).ok()["experiment_id"])

    def run(self, experiment: str | None = None, **fields: Any) -> str:
        """A new run's id."""
        sent = {"experiment_id": experiment or self.experiment(), "start_time": 1, **fields}
        return str(self.post("runs/create", sent).ok()["run"]["info"]["run_id"])

    def start(self) -> None:
        """Start the server."""
        self._loop.run(self._lifespan.start())

    def close(self) -> None:
        """Stop the server."""
        try:
            self._loop.run(self._client.aclose())
            self._loop.run(self._lifespan.stop())
        finally:
            self._loop.close()

    async def _exchange(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        status, content = 0, b""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, content
            status = message.get("status", status)
            content += message.get("body", b"")

        await self._application(scope, receive, send)
        return status, content

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        sent = {**self._headers, **(headers or {})}
        if content is None and body is not None:
            content = json.dumps(body).encode()
        if content is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        url = path if path.startswith("/") else MLFLOW + path
        answer = await self._client.request(
            method, url, params=dict(query) if query else None, content=content, headers=sent
        )
        parsed = None
        with suppress(ValueError):
            parsed = answer.json()
        return Reply(answer.status_code, parsed, answer.content, answer.headers)


@contextmanager
def serve(**given: Any) -> Iterator[Api]:
    """A started server with these settings."""
    api = Api(app.build(settings.load(given, environment={})))
    api.start()
    try:
        yield api
    finally:
        api.close()


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A started server on a fresh database: once on each system."""
    with serve(data=str(tmp_path), database=database_url) as started:
        yield started
