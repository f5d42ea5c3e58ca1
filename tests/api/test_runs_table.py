"""The native runs table: columns, summaries, counts and keys."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api

TABLE = "/api/runyard/1/runs/table"
COUNT = "/api/runyard/1/runs/count"


def _sweep(api: Api) -> tuple[str, list[str]]:
    """Three runs of a sweep: what each has differs."""
    experiment = api.experiment()
    runs = [api.run(experiment) for _ in range(3)]
    for i, run in enumerate(runs):
        for step, loss in enumerate([3.0 - i, 1.0 - i, 2.0 - i]):
            point = {"run_id": run, "key": "loss", "value": loss, "timestamp": 100 + step, "step": step}
            api.post("runs/log-metric", point).ok()
        api.post("runs/log-parameter", {"run_id": run, "key": "lr", "value": f"0.{i}"}).ok()
    api.post("runs/log-metric", {"run_id": runs[0], "key": "acc", "value": "NaN", "timestamp": 1}).ok()
    api.post("runs/log-metric", {"run_id": runs[1], "key": "acc", "value": "Infinity", "timestamp": 1}).ok()
    api.post("runs/set-tag", {"run_id": runs[2], "key": "team", "value": "vision"}).ok()
    return experiment, runs


def _metric(key: str, summary: str) -> dict[str, str]:
    return {"kind": "metric", "key": key, "summary": summary}


def test_columns_hold_what_was_asked_for(api: Api) -> None:
    experiment, runs = _sweep(api)
    columns: list[dict[str, Any]] = [
        {"kind": "attribute", "key": "status"},
        {"kind": "param", "key": "lr"},
        {"kind": "tag", "key": "team"},
        {"kind": "metric", "key": "loss"},
        {"kind": "metric", "key": "acc"},
        {"kind": "param", "key": "no such key"},
    ]
    found = api.post(
        TABLE, {"experiment_ids": [experiment], "columns": columns, "order_by": ["params.lr"]}
    ).ok()
    assert found["run_ids"] == runs
    assert found["columns"] == [
        ["RUNNING"] * 3,
        ["0.0", "0.1", "0.2"],
        [None, None, "vision"],
        [2.0, 1.0, 0.0],
        [None, "Infinity", None],
        [None, None, None],
    ]
    assert found["next_page_token"] is None


def test_every_summary_of_a_metric(api: Api) -> None:
    experiment, runs = _sweep(api)
    wanted = {
        "last": 2.0,
        "first": 3.0,
        "min": 1.0,
        "max": 3.0,
        "mean": 2.0,
        "sum": 6.0,
        "count": 3,
        "nan_count": 0,
        "argmin": 1,
        "argmax": 0,
        "last_step": 2,
        "last_time": 102,
        "first_step": 0,
        "first_time": 100,
    }
    found = api.post(
        TABLE,
        {
            "experiment_ids": [experiment],
            "columns": [_metric("loss", summary) for summary in wanted],
            "filter": f"run_id = '{runs[0]}'",
        },
    ).ok()
    assert [column[0] for column in found["columns"]] == list(wanted.values())


def test_pages_follow_each_other(api: Api) -> None:
    experiment, runs = _sweep(api)
    request = {"experiment_ids": [experiment], "order_by": ["metrics.loss ASC"], "limit": 2}
    first = api.post(TABLE, request).ok()
    second = api.post(TABLE, request | {"page_token": first["next_page_token"]}).ok()
    assert first["run_ids"] + second["run_ids"] == runs[::-1]
    assert second["next_page_token"] is None


def test_counts(api: Api) -> None:
    experiment, runs = _sweep(api)
    api.post("runs/delete", {"run_id": runs[0]}).ok()
    for body, count in (
        ({}, 2),
        ({"view": "ALL"}, 3),
        ({"view": "DELETED_ONLY"}, 1),
        ({"filter": "metrics.loss < 0.5"}, 1),
        ({"filter": "params.lr = 'none'"}, 0),
    ):
        answer = api.post(COUNT, {"experiment_ids": [experiment], **body}).ok()
        assert answer == {"count": count, "more": False}, body


def test_keys_of_an_experiment(api: Api) -> None:
    experiment, _ = _sweep(api)
    found = api.get(f"/api/runyard/1/experiments/{experiment}/keys", {}).ok()
    assert found == {"metrics": ["acc", "loss"], "params": ["lr"], "tags": ["mlflow.runName", "team"]}
    empty = api.experiment()
    found = api.get(f"/api/runyard/1/experiments/{empty}/keys", {}).ok()
    assert found == {"metrics": [], "params": [], "tags": []}


def test_what_is_refused(api: Api) -> None:
    for path, body, field in (
        (TABLE, {"experiment_ids": ["0"], "limit": 0}, "limit"),
        (TABLE, {"experiment_ids": ["0"], "limit": 10_001}, "limit"),
        (
            TABLE,
            {"experiment_ids": ["0"], "columns": [{"kind": "attribute", "key": "age"}]},
            "columns[0].key",
        ),
        (TABLE, {"experiment_ids": ["0"], "columns": [{"kind": "colour", "key": "a"}]}, "columns[0].kind"),
        (TABLE, {"experiment_ids": ["0"], "columns": [_metric("a", "median")]}, "columns[0].summary"),
        (TABLE, {"experiment_ids": ["0"], "columns": [_metric("a", "last")] * 501}, "columns"),
        (TABLE, {"experiment_ids": ["x"]}, "experiment_ids[0]"),
        (TABLE, {"experiment_ids": ["0"], "filter": "metrics.a >"}, "filter"),
        (TABLE, {"experiment_ids": ["0"], "page_token": "x"}, "page_token"),
        (COUNT, {"experiment_ids": ["0"], "view": "SOME"}, "view"),
    ):
        reply = api.post(path, body)
        assert reply.error == (400, "INVALID_PARAMETER_VALUE"), body
        assert reply.field == field, reply.message
    assert api.get("/api/runyard/1/experiments/999/keys", {}).error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert api.get("/api/runyard/1/experiments/x/keys", {}).error == (400, "INVALID_PARAMETER_VALUE")
