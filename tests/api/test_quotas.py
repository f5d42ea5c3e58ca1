"""Quotas: what is over one is refused whole, with what is used, the limit, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.conftest import Api, Reply, assert_refused

QUOTAS = "/api/runyard/1/workspaces/default/quotas"
TOLD = re.compile(
    r"The quota '(\w+)' is used up: .* has ([\d,]+) of ([\d,]+) \w+, and this request brings ([\d,]+) more"
)
FULL = (403, "QUOTA_EXCEEDED")
TOO_OFTEN = (429, "REQUEST_LIMIT_EXCEEDED")


def limit(api: Api, workspace: str = "default", /, **limits: Any) -> dict[str, Any]:
    """Set quotas; returns all by name."""
    at = f"/api/runyard/1/workspaces/{workspace}/quotas"
    return {one["name"]: one for one in api.patch(at, {"limits": limits}).ok()["items"]}


def used(api: Api, name: str) -> int:
    """What is used of a quota of the workspace."""
    return int(next(one for one in api.get(QUOTAS).ok()["items"] if one["name"] == name)["used"])


def told(reply: Reply) -> tuple[str, int, int, int]:
    """What a refusal says: the quota, what is used of it, the limit, and what the request brings."""
    assert reply.error == FULL, reply
    found = TOLD.match(reply.message)
    assert found is not None, reply.message
    assert "nothing of it was stored" in reply.message
    assert "retry-after" not in reply.headers
    used, most, more = (int(text.replace(",", "")) for text in found.groups()[1:])
    enough = max(2 * most, used + more)
    assert reply.message.endswith(f"runyard workspace quotas default --set {found[1]}={enough}")
    return found[1], used, most, more


def points(count: int, key: str = "m") -> list[dict[str, Any]]:
    """Points of one metric."""
    return [{"key": key, "value": i, "timestamp": 1, "step": i} for i in range(count)]


def entries(prefix: str, count: int) -> list[dict[str, str]]:
    """Params or tags."""
    return [{"key": f"{prefix}{i}", "value": "v"} for i in range(count)]


def data(api: Api, run: str) -> Any:
    """What is logged to a run."""
    return api.get("runs/get", {"run_id": run}).ok()["run"]["data"]


def test_quotas_are_shown_and_set(api: Api) -> None:
    # Given
    before = {one["name"]: one for one in api.get(QUOTAS).ok()["items"]}
    assert before["points_per_run"] == {
        "name": "points_per_run",
        "scope": "run",
        "unit": "points",
        "limit": 100_000_000,
        "used": None,
        "counts": "Points of metrics, as often as they are sent.",
    }
    assert {name for name, one in before.items() if one["limit"] is None} == {
        "points_per_experiment",
        "points_per_workspace",
        "runs_per_experiment",
        "runs_per_workspace",
        "artifact_bytes_per_run",
        "artifact_bytes_per_experiment",
        "artifact_bytes_per_workspace",
        "requests_per_second",
    }
    assert {name for name, one in before.items() if one["used"] is not None} == {
        "points_per_workspace",
        "runs_per_workspace",
        "artifact_bytes_per_workspace",
    }
    # When
    limit(api, points_per_run=7, tags_per_run=None, runs_per_workspace=0)
    after = limit(api, points_per_run="default", params_per_run=3)
    # Then
    assert {name: one["limit"] for name, one in after.items() if one != before[name]} == {
        "params_per_run": 3,
        "tags_per_run": None,
        "runs_per_workspace": 0,
    }
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "unknown": ({"cores": 3}, "limits"),
        "negative": ({"tags_per_run": -1}, "limits.tags_per_run"),
        "none a second": ({"requests_per_second": 0}, "limits.requests_per_second"),
        "too large": ({"tags_per_run": 2**62 + 1}, "limits.tags_per_run"),
    }
    replies = {case: api.patch(QUOTAS, {"limits": limits}) for case, (limits, _) in cases.items()}
    assert_refused(replies, {case: field for case, (_, field) in cases.items()})
    assert limit(api) == after


def test_runs_and_experiments_tell_what_is_used(api: Api) -> None:
    # Given
    limit(api, points_per_run=10, runs_per_experiment=5)
    experiment = api.experiment()
    run, _ = api.run(experiment), api.run(experiment)
    sent = {"run_id": run, "metrics": points(7), "params": entries("p", 2), "tags": entries("t", 3)}
    api.post("runs/log-batch", sent).ok()
    root = f"default/{experiment}/{run}/artifacts"
    api.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/f", content=b"12345").ok()
    # When
    of_run = api.get(f"/api/runyard/1/runs/{run}/quotas").ok()["items"]
    of_experiment = api.get(f"/api/runyard/1/experiments/{experiment}/quotas").ok()["items"]
    # Then
    assert {one["name"]: (one["used"], one["limit"]) for one in of_run} == {
        "points_per_run": (7, 10),
        "params_per_run": (2, 10_000),
        "tags_per_run": (4, 10_000),  # one is the name
        "artifact_bytes_per_run": (5, None),
    }
    assert {one["name"]: (one["used"], one["limit"]) for one in of_experiment} == {
        "points_per_experiment": (7, None),
        "runs_per_experiment": (2, 5),
        "artifact_bytes_per_experiment": (5, None),
    }
    assert api.get("/api/runyard/1/runs/x/quotas").error == (404, "RESOURCE_DOES_NOT_EXIST")
    for wrong, error in (("999", (404, "RESOURCE_DOES_NOT_EXIST")), ("x", (400, "INVALID_PARAMETER_VALUE"))):
        assert api.get(f"/api/runyard/1/experiments/{wrong}/quotas").error == error


def test_points_of_a_run(api: Api) -> None:
    # Given
    limit(api, points_per_run=10)
    run, other = api.run(), api.run()
    api.post("runs/log-batch", {"run_id": run, "metrics": points(8)}).ok()
    # When
    reply = api.post("runs/log-batch", {"run_id": run, "metrics": points(3, "x"), "tags": entries("t", 1)})
    # Then
    assert told(reply) == ("points_per_run", 8, 10, 3)
    assert f"the run {run} " in reply.message
    assert [one["key"] for one in data(api, run)["metrics"]] == ["m"]
    assert "t0" not in {tag["key"] for tag in data(api, run)["tags"]}
    # And up to the last one
    api.post("runs/log-batch", {"run_id": run, "metrics": points(2)}).ok()
    point = {"run_id": run, **points(1)[0]}
    assert told(api.post("runs/log-metric", point)) == ("points_per_run", 10, 10, 1)
    assert told(api.post("runs/log-metric", point)) == ("points_per_run", 10, 10, 1)
    # And others aren't hurt, nor what brings no points
    assert api.post("runs/log-metric", {**point, "run_id": other}).status == 200
    assert api.post("runs/set-tag", {"run_id": run, "key": "k", "value": "v"}).status == 200
    # And more may come when more is allowed
    limit(api, points_per_run=11)
    assert api.post("runs/log-metric", point).status == 200
    assert told(api.post("runs/log-metric", point)) == ("points_per_run", 11, 11, 1)


def test_a_batch_larger_than_the_quota_is_refused_at_once(api: Api) -> None:
    limit(api, points_per_run=5)
    run = api.run()
    assert told(api.post("runs/log-batch", {"run_id": run, "metrics": points(6)})) == (
        "points_per_run",
        0,
        5,
        6,
    )
    assert "metrics" not in data(api, run)


def test_points_of_a_run_are_counted_exactly_in_a_crowd(api: Api) -> None:
    # Given
    limit(api, points_per_run=50)
    run, other = api.run(), api.run()
    one = points(1)[0]
    # When
    requests: list[tuple[str, str, Any]] = []
    for i in range(80):
        requests.append(("POST", "runs/log-metric", {"run_id": run, **one, "step": i}))
        requests.append(("POST", "runs/log-metric", {"run_id": other, **one, "step": i}))
    replies = api.together(requests)
    # Then
    of_run, of_other = replies[0::2], replies[1::2]
    assert sum(reply.status == 200 for reply in of_run) == 50
    assert {reply.error for reply in of_run if reply.status != 200} == {FULL}
    assert sum(reply.status == 200 for reply in of_other) == 50
    found = api.get("metrics/get-history", {"run_id": run, "metric_key": "m"}).ok()["metrics"]
    assert len(found) == 50
    assert used(api, "points_per_workspace") == 100


@pytest.mark.parametrize("kind", ["params", "tags"])
def test_params_and_tags_of_a_run(api: Api, kind: str) -> None:
    # Given a run with one tag, its name
    run = api.run(run_name="r")
    limit(api, params_per_run=5, tags_per_run=6)
    name = f"{kind}_per_run"
    single = "runs/log-parameter" if kind == "params" else "runs/set-tag"
    most = 5 if kind == "params" else 6
    api.post("runs/log-batch", {"run_id": run, kind: entries("a", 4)}).ok()
    there = most - 1
    # When
    reply = api.post("runs/log-batch", {"run_id": run, kind: entries("b", 2), "metrics": points(1)})
    # Then
    assert told(reply) == (name, there, most, 2)
    assert "metrics" not in data(api, run)
    # And what is there already is nothing new
    again = api.post("runs/log-batch", {"run_id": run, kind: [*entries("a", 4), *entries("b", 1)]})
    assert again.status == 200
    assert api.post(single, {"run_id": run, "key": "a0", "value": "v"}).status == 200
    assert told(api.post(single, {"run_id": run, "key": "c", "value": "v"})) == (name, most, most, 1)


def test_tags_of_a_run_where_it_begins_and_where_models_are_noted(api: Api) -> None:
    # Given
    limit(api, tags_per_run=3)
    experiment = api.experiment()
    # Then: one of them is the name
    sent = {"experiment_id": experiment, "tags": entries("t", 3)}
    assert told(api.post("runs/create", sent))[:1] == ("tags_per_run",)
    assert api.post("runs/search", {"experiment_ids": [experiment]}).ok() == {}
    run = api.run(experiment, tags=entries("t", 2))
    fields = {"artifact_path": "m", "flavors": {}, "utc_time_created": "t", "run_id": run}
    model = {"run_id": run, "model_json": str(fields).replace("'", '"')}
    assert told(api.post("runs/log-model", model)) == ("tags_per_run", 3, 3, 1)
    # And deleting one makes room
    api.post("runs/delete-tag", {"run_id": run, "key": "t0"}).ok()
    assert api.post("runs/log-model", model).status == 200
    assert api.post("runs/log-model", model).status == 200


def test_params_are_counted_exactly_in_a_crowd(api: Api) -> None:
    # Given
    limit(api, params_per_run=20, tags_per_run=21)
    run = api.run()
    # When
    replies = api.together(
        [
            ("POST", path, {"run_id": run, "key": f"k{i}", "value": "v"})
            for i in range(40)
            for path in ("runs/log-parameter", "runs/set-tag")
        ]
    )
    # Then
    assert sum(reply.status == 200 for reply in replies[0::2]) == 20
    assert sum(reply.status == 200 for reply in replies[1::2]) == 20
    found = data(api, run)
    assert (len(found["params"]), len(found["tags"])) == (20, 21)


@pytest.mark.parametrize("scope", ["experiment", "workspace"])
def test_points_of_an_experiment_and_a_workspace(api: Api, scope: str) -> None:
    # Given
    experiment = api.experiment()
    first, second = api.run(experiment), api.run(experiment)
    foreign = api.run()
    limit(api, **{f"points_per_{scope}": 10})
    api.post("runs/log-batch", {"run_id": first, "metrics": points(6)}).ok()
    # When
    reply = api.post("runs/log-batch", {"run_id": second, "metrics": points(5), "params": entries("p", 1)})
    # Then
    assert told(reply) == (f"points_per_{scope}", 6, 10, 5)
    assert "params" not in data(api, second)
    assert api.post("runs/log-batch", {"run_id": second, "metrics": points(4)}).status == 200
    elsewhere = api.post("runs/log-batch", {"run_id": foreign, "metrics": points(1)})
    assert elsewhere.status == (200 if scope == "experiment" else 403)


@pytest.mark.parametrize("scope", ["experiment", "workspace"])
def test_runs_of_an_experiment_and_a_workspace(api: Api, scope: str) -> None:
    # Given
    experiment = api.experiment()
    limit(api, **{f"runs_per_{scope}": 3})
    # When
    replies = api.together([("POST", "runs/create", {"experiment_id": experiment})] * 6)
    # Then
    assert sorted(reply.status for reply in replies) == [200] * 3 + [403] * 3
    assert told(api.post("runs/create", {"experiment_id": experiment})) == (f"runs_per_{scope}", 3, 3, 1)
    elsewhere = api.post("runs/create", {"experiment_id": api.experiment()})
    assert elsewhere.status == (200 if scope == "experiment" else 403)
    assert used(api, "runs_per_workspace") == (4 if scope == "experiment" else 3)
    # And one in the trash counts
    run = api.post("runs/search", {"experiment_ids": [experiment]}).ok()["runs"][0]["info"]["run_id"]
    api.post("runs/delete", {"run_id": run}).ok()
    assert api.post("runs/create", {"experiment_id": experiment}).error == FULL


def test_a_quota_is_of_one_workspace(api: Api) -> None:
    # Given
    api.post("/api/runyard/1/workspaces", {"name": "other"}).ok()
    limit(api, "other", runs_per_workspace=1, points_per_workspace=1)
    # When
    here = [api.post("runs/create", {}).status for _ in range(2)]
    there = [api.post("/w/other/api/2.0/mlflow/runs/create", {}).status for _ in range(2)]
    # Then
    assert (here, there) == ([200, 200], [200, 403])


def test_requests_per_second(api: Api) -> None:
    # Given
    limit(api, requests_per_second=5)
    # When
    replies = api.together([("GET", "experiments/get?experiment_id=0", None)] * 20)
    # Then
    refused = [reply for reply in replies if reply.status != 200]
    assert 10 <= len(refused) <= 15
    assert {reply.error for reply in refused} == {TOO_OFTEN}
    assert "Wait a second" in refused[0].message
    assert refused[0].message.endswith("runyard workspace quotas default --set requests_per_second=10")
    assert refused[0].headers["retry-after"] == "1"
    # And health, other workspaces and the administrator's way out aren't concerned
    assert api.get("/health").status == 200
    assert api.post("/api/runyard/1/workspaces", {"name": "other"}).status == 200
    assert api.get("/w/other/api/2.0/mlflow/experiments/get?experiment_id=0").status == 200
    limit(api, requests_per_second=None)
    replies = api.together([("GET", "experiments/get?experiment_id=0", None)] * 20)
    assert {reply.status for reply in replies} == {200}
