"""Nothing of one workspace is reached from another one, by any route.

The requests are made of the table of routes. Each speaks of things in the workspace alpha, is sent to the
workspace beta, and must show and change nothing of alpha. Then the same request is sent to alpha, where it
must succeed: so it was one that would have done something. A new route is tested as soon as it is there;
where the values that it takes aren't known here (`Things.valid`), its test says so.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runyard.server import app, settings
from runyard.server.auth import Permission
from runyard.server.web import Route
from tests.api.conftest import MLFLOW, Api, Reply
from tests.api.derived import Place
from tests.api.members import Headers, team

FILES = "/api/2.0/mlflow-artifacts"
# Stands in all that belongs to alpha.
MARK = "zebra"

MODEL = {"artifact_path": "x", "utc_time_created": "x", "run_id": "x", "flavors": {}}


class Within(Api):
    """An `Api` whose requests go to one workspace, with some headers."""

    def __init__(self, api: Api, workspace: str, headers: Mapping[str, str], *, by_address: bool) -> None:
        self._api = api
        self._names = api._names
        self.workspace = workspace
        self._headers = {**headers, **({} if by_address else {"X-MLFLOW-WORKSPACE": workspace})}
        self._prefix = f"/w/{workspace}" if by_address else ""

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
        """A request to the workspace."""
        at = path if path.startswith("/") else MLFLOW + path
        sent = {**self._headers, **(headers or {})}
        return self._api.request(method, self._prefix + at, body, query=query, content=content, headers=sent)


class Things(Place):
    """An experiment with all that may be in one, and requests about it."""

    def __init__(self, api: Within) -> None:
        self.api = api
        number = next(api._names)
        self.folder = f"/{MARK} {number}"
        self.name = f"{self.folder}/below/x"
        tags = [{"key": MARK, "value": MARK}]
        self.experiment = api.experiment(self.name, tags=tags)
        self.run = api.run(self.experiment, run_name=f"{MARK} run", tags=tags)
        sent = {"experiment_id": self.experiment, "name": f"{MARK} model", "tags": tags, "params": tags}
        info = api.post("logged-models", sent).ok()["model"]["info"]
        self.model = info["model_id"]
        point = {"key": MARK, "value": 7, "timestamp": 1, "model_id": self.model, "dataset_name": MARK}
        dataset = {"name": MARK, "digest": "1", "source_type": "t", "source": MARK}
        for path, more in (
            ("runs/log-batch", {"params": tags, "metrics": [{**point, "step": i} for i in range(3)]}),
            ("runs/log-inputs", {"datasets": [{"dataset": dataset}], "models": [{"model_id": self.model}]}),
            ("runs/outputs", {"models": [{"model_id": self.model, "step": 1}]}),
        ):
            api.post(path, {"run_id": self.run, **more}).ok()
        self.root = f"{api.workspace}/{self.experiment}/{self.run}/artifacts"
        self.model_root = f"{api.workspace}/{self.experiment}/models/{self.model}/artifacts"
        for root in (self.root, self.model_root):
            api.request("PUT", f"{FILES}/artifacts/{root}/{MARK}.txt", content=MARK.encode()).ok()
        begun = api.post(f"{FILES}/mpu/create/{self.root}", {"path": "parts", "num_parts": 1}).ok()
        self.upload = begun["upload_id"]
        part = api.request("PUT", f"{FILES}/mpu/part/{self.upload}/1/{self.root}/parts", content=b"part")
        self.etag = part.headers["etag"]

    def prepare(self, route: Route) -> None:
        """Bring the things into the state in which the route does something."""
        if route.path.endswith(("/experiments/restore", "/{experiment_id}/restore")):
            self.api.post("experiments/delete", {"experiment_id": self.experiment}).ok()
        if route.path.endswith(("/runs/restore", "/restore-runs")) or "/trash" in route.path:
            self.api.post("runs/delete", {"run_id": self.run}).ok()

    def path(self, route: Route) -> str:
        """The route's path with its parameters filled in."""
        if "/part/" in route.path:
            at = f"{self.root}/parts"
        elif "/mpu/" in route.path:
            at = self.root
        else:
            at = f"{self.root}/{'new' if route.method == 'PUT' else MARK}.txt"
        path = route.path.replace("{path:path}", at).replace("{tag_key:path}", MARK)
        path = path.replace("{upload_id}", self.upload).replace("{number}", "1")
        path = path.replace("{workspace}", self.api.workspace)
        return (
            path.replace("{experiment_id}", self.experiment)
            .replace("{run_id}", self.run)
            .replace("{model_id}", self.model)
        )

    def valid(self, route: Route) -> dict[str, Any]:
        """A request that the route takes."""
        found = {k: v for k, v in super().valid(route).items() if k not in ("page_token", "order_by", "step")}
        entries = [{"key": "new", "value": "1"}]
        known: dict[str, Any] = {
            "name": f"{self.name} restored" if route.path.endswith("/restore") else "new",
            "new_name": f"{self.name} renamed",
            "experiment_name": self.name,
            "run_name": "new",
            "key": MARK if "delete" in route.path else "new",
            "value": "1",
            "metric_key": MARK,
            "keys": [MARK],
            "params": entries,
            "tags": entries,
            "metrics": [{"key": "new", "value": 1, "timestamp": 1}],
            "columns": [{"kind": "param", "key": MARK}],
            "model_json": json.dumps(MODEL),
            "artifact_file_path": f"{MARK}.txt",
            "path": self.folder if "/folders" in route.path else self._file(route),
            "to": f"{self.folder} moved",
            "upload_id": self.upload,
            "parts": [{"part_number": 1, "etag": self.etag}],
            "view": "ALL",
            "limit": 10,
            "items": [{"kind": "run", "id": self.run}],
            "max_runs": 10,
            "max_timestamp_millis": 2**50,
            "min_timestamp_millis": 0,
        }
        fields = set(route.request.__struct_fields__) if route.request is not None else set()
        found |= {name: value for name, value in known.items() if name in fields}
        if route.path.endswith(("/get-history-bulk", "/runs/search", "logged-models/search")):
            found.pop("datasets", None)
        if route.path.endswith("/artifacts/delete"):
            return {"run_id": self.run, "path": f"{MARK}.txt"}
        # It takes either a list or a filter.
        return {"items": known["items"]} if route.path.endswith("/trash/purge") else found

    def _file(self, route: Route) -> str:
        if route.path == f"{FILES}/artifacts":
            return str(self.root)
        if "/mpu/" in route.path:
            return "parts"
        if route.path.endswith("upload-artifact"):
            return "new.txt"
        return f"{MARK}.txt" if route.path == "/get-artifact" else ""

    def send(self, route: Route, to: Within, path: str | None = None) -> Reply:
        """The route's request about these things, to a workspace."""
        at, sent = path or self.path(route), self.valid(route) if route.request is not None else {}
        if route.source == "query":
            return to.request(route.method, at, query=sent)
        if route.source == "stream":
            return to.request(route.method, at, query=sent, content=b"part")
        return to.request(route.method, at, sent if route.source == "body" else None)

    def state(self) -> Any:
        """Everything that there is of them, as their own workspace shows it."""
        get, listed = self.api.get, f"{FILES}/artifacts"
        return [
            get("experiments/get", {"experiment_id": self.experiment}).body,
            get("runs/get", {"run_id": self.run}).body,
            get("metrics/get-history", {"run_id": self.run, "metric_key": MARK}).body,
            get(f"logged-models/{self.model}", {"allow_deleted": "true"}).body,
            self.api.post("runs/search", {"experiment_ids": [self.experiment], "run_view_type": "ALL"}).body,
            self.api.post("logged-models/search", {"experiment_ids": [self.experiment]}).body,
            self.api.post("experiments/search-datasets", {"experiment_ids": [self.experiment]}).body,
            *(get(listed, {"path": root}).body for root in (self.root, self.model_root)),
            *(get(f"{listed}/{root}/{MARK}.txt").content for root in (self.root, self.model_root)),
        ]


@contextmanager
def local(database_url: str, folder: Path) -> Iterator[tuple[Api, Headers]]:
    """A server without login: whoever comes is an administrator."""
    with team(database_url, folder, {}) as (api, _):
        for name in ("alpha", "beta"):
            api.post("/api/runyard/1/workspaces", {"name": name}).ok()
        yield api, {}


@contextmanager
def as_administrator(database_url: str, folder: Path) -> Iterator[tuple[Api, Headers]]:
    """An administrator with a token."""
    people = {"ada": {"alpha": "Owner"}, "bob": {"beta": "Owner"}, "root": None}
    with team(database_url, folder, people) as (api, as_):
        yield api, as_("root")


@contextmanager
def as_owner(database_url: str, folder: Path) -> Iterator[tuple[Api, Headers]]:
    """The owner of both workspaces."""
    with team(database_url, folder, {"eve": {"alpha": "Owner", "beta": "Owner"}}) as (api, as_):
        yield api, as_("eve")


CALLERS = {"local": local, "administrator": as_administrator, "owner": as_owner}


@pytest.fixture(params=CALLERS)
def two(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[tuple[Within, Within]]:
    """The workspaces alpha and beta, as one caller sees them."""
    by_address = request.param == "administrator"
    with CALLERS[request.param](database_url, tmp_path) as (api, headers):
        alpha, beta = (Within(api, name, headers, by_address=by_address) for name in ("alpha", "beta"))
        beta.run(beta.experiment("own"))
        yield alpha, beta


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """Every documented route that is about what is in a workspace."""
    built = app.build(settings.load({"data": str(tmp_path_factory.mktemp("data"))}, environment={}))
    anywhere = (Permission.PUBLIC, Permission.SIGNED_IN)
    return [
        route
        for route in built.routes
        if not route.alias
        and isinstance(route.permission, Permission)
        and route.permission not in anywhere
        and not route.permission.of_server
        # These are about the workspace that their address names, whatever is chosen otherwise.
        and "{workspace}" not in route.path
        # The chain of the activity log is one for the whole server; its head tells of nothing in it.
        and not route.path.endswith("/activity/head")
    ]


def hidden(reply: Reply, things: Things) -> bool:
    """Whether an answer shows nothing of them: it is a refusal, or a success that names none of them."""
    if reply.status >= 400:
        return reply.status in (400, 404)
    text = reply.content.decode()
    return not any(mark in text for mark in (MARK, things.run, things.model))


def needless(reply: Reply) -> bool:
    """Whether a server without login refuses to give a token, since nobody needs one."""
    return reply.status == 403 and "no login" in reply.message


def test_no_route_reaches_another_workspace(two: tuple[Within, Within], routes: list[Route]) -> None:
    alpha, beta = two
    for route in routes:
        name = f"{route.method} {route.path}"
        # Given
        things = Things(alpha)
        things.prepare(route)
        before = things.state()
        # When
        foreign = things.send(route, beta)
        renamed = things.send(route, beta, things.path(route).replace("/alpha/", "/beta/"))
        # Then
        assert hidden(foreign, things) or needless(foreign), (name, foreign)
        assert hidden(renamed, things) or needless(renamed), (name, renamed)
        assert things.state() == before, name
        # And in their own workspace the same request does what it says
        own = things.send(route, alpha)
        assert own.status in (200, 201, 204) or needless(own), (name, own)
        # What is restored is looked at first: the kind's own permission comes after that.
        if route.permission.value.endswith("/read") and not route.path.endswith("/trash/restore"):
            assert own.content != foreign.content, name
            assert things.state() == before, name


def test_no_list_shows_another_workspace(two: tuple[Within, Within]) -> None:
    # Given
    alpha, beta = two
    things = Things(alpha)
    everywhere = ["0", things.experiment, *map(str, range(30))]
    run = f"attributes.run_id = '{things.run}'"
    tokens = {
        path: alpha.post(path, {**more, "max_results": 1}).ok().get("next_page_token")
        for path, more in (
            ("experiments/search", {}),
            ("runs/search", {"experiment_ids": [things.experiment]}),
            ("logged-models/search", {"experiment_ids": [things.experiment]}),
        )
    }
    assert tokens["experiments/search"]
    # When
    sent: list[tuple[str, dict[str, Any]]] = [
        ("experiments/search", {"view_type": "ALL"}),
        ("experiments/search", {"filter": f"name LIKE '%{MARK}%'", "view_type": "ALL"}),
        ("experiments/search", {"filter": f"tags.{MARK} = '{MARK}'"}),
        ("experiments/search", {"page_token": tokens["experiments/search"]}),
        ("runs/search", {"experiment_ids": everywhere, "run_view_type": "ALL"}),
        ("runs/search", {"experiment_ids": everywhere, "filter": run}),
        ("runs/search", {"experiment_ids": everywhere, "filter": f"metrics.{MARK} > 0"}),
        ("runs/search", {"experiment_ids": everywhere, "order_by": [f"metrics.{MARK} DESC"]}),
        ("runs/search", {"experiment_ids": everywhere, "filter": f"dataset.name = '{MARK}'"}),
        ("logged-models/search", {"experiment_ids": everywhere}),
        ("logged-models/search", {"experiment_ids": everywhere, "filter": f"name = '{MARK} model'"}),
        ("experiments/search-datasets", {"experiment_ids": everywhere[:20]}),
        ("/api/runyard/1/runs/table", {"experiment_ids": everywhere, "view": "ALL"}),
    ]
    replies = [(path, more, beta.post(path, more)) for path, more in sent]
    # Then
    for path, more, reply in replies:
        assert reply.status == 200, (path, more, reply)
        assert hidden(reply, things), (path, more, reply)
    counted = beta.post("/api/runyard/1/runs/count", {"experiment_ids": everywhere, "view": "ALL"}).ok()
    assert counted == {"count": 1, "more": False}
    counts = beta.get("/api/runyard/1/workspaces/beta").ok()
    assert counts["counts"]["experiments"]["active"] == 2
    assert counts["counts"]["runs"]["active"] == 1
    assert counts["storage"] == {"bytes": 0, "files": 0}
    # And alpha's last page goes on in alpha
    following = alpha.post("experiments/search", {"page_token": tokens["experiments/search"]}).ok()
    assert following["experiments"]


def test_what_mentions_another_workspace_does_not_reach_it(two: tuple[Within, Within]) -> None:
    # Given
    alpha, beta = two
    things = Things(alpha)
    before = things.state()
    experiment = beta.experiment()
    run = beta.run(experiment)
    inside = f"{FILES}/artifacts/alpha/{experiment}/{run}/artifacts/x"
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    cases = {
        "a point of its model": beta.post("runs/log-metric", {**point, "model_id": things.model}),
        "a run in its experiment": beta.post("runs/create", {"experiment_id": things.experiment}),
        "its artifacts": beta.post(
            "experiments/create", {"name": "x", "artifact_location": f"mlflow-artifacts:/{things.root}"}
        ),
        "its artifacts, spelt otherwise": beta.post(
            "experiments/create", {"name": "x", "artifact_location": f"MLFLOW-ARTIFACTS:/{things.root}"}
        ),
        "its folder, for a run of its own": beta.request("PUT", inside, content=b"x"),
        "up and over": beta.get(f"{FILES}/artifacts/beta/../{things.root}/{MARK}.txt"),
        "encoded": beta.get(f"{FILES}/artifacts/beta%2f..%2f{things.root}/{MARK}.txt"),
        "out of its own": beta.get("/get-artifact", {"run_id": run, "path": f"../../../../{things.root}"}),
    }
    # Then
    assert {case: reply.status for case, reply in cases.items() if reply.status not in (400, 404)} == {}
    # And what may name anything shows nothing
    for path, more in (
        ("runs/set-tag", {"run_id": run, "key": "mlflow.parentRunId", "value": things.run}),
        ("runs/log-inputs", {"run_id": run, "models": [{"model_id": things.model}]}),
        ("logged-models", {"experiment_id": "0", "source_run_id": things.run}),
    ):
        assert MARK not in beta.post(path, more).content.decode()
    found = beta.get("runs/get", {"run_id": run})
    assert MARK not in found.content.decode()
    assert things.state() == before


def test_the_same_names_are_in_both(two: tuple[Within, Within]) -> None:
    alpha, beta = two
    # When
    ids = [within.experiment("/Shared/same") for within in two]
    # Then
    assert ids[0] != ids[1]
    for within, experiment in zip((alpha, beta), ids, strict=True):
        found = within.get("experiments/get-by-name", {"experiment_name": "/Shared/same"}).ok()["experiment"]
        assert found["experiment_id"] == experiment
        assert found["artifact_location"] == f"mlflow-artifacts:/{within.workspace}/{experiment}"
    beta.post("experiments/delete", {"experiment_id": ids[1]}).ok()
    kept = alpha.get("experiments/get", {"experiment_id": ids[0]}).ok()["experiment"]
    assert kept["lifecycle_stage"] == "active"


def test_nobody_enters_a_workspace_where_he_has_no_role(
    database_url: str, tmp_path: Path, routes: list[Route]
) -> None:
    people = {"ada": {"alpha": "Owner"}, "bob": {"beta": "Owner"}}
    with team(database_url, tmp_path, people) as (api, as_):
        # Given
        things = Things(Within(api, "alpha", as_("ada"), by_address=True))
        before = things.state()
        stranger = Within(api, "alpha", as_("bob"), by_address=True)
        for route in routes:
            # When
            reply = things.send(route, stranger)
            # Then
            assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST"), (route.path, reply)
        assert things.state() == before
