"""Deleting and restoring many runs: by age as on Databricks, and by a list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused
from tests.api.trash_data import events, sql

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
BY_AGE = "databricks/runs/"
LISTED = "/api/runyard/1/runs/"


def active(api: Api, experiment: str) -> list[str]:
    """An experiment's active runs, oldest first."""
    sent = {"experiment_ids": [experiment], "order_by": ["start_time"]}
    return [run["info"]["run_id"] for run in api.post("runs/search", sent).ok().get("runs", [])]


def started(api: Api, experiment: str, *times: int) -> list[str]:
    """New runs that started at these times."""
    return [api.run(experiment, start_time=time) for time in times]


def test_runs_are_deleted_by_their_start(api: Api) -> None:
    # Given
    experiment, other = api.experiment(), api.experiment()
    runs = started(api, experiment, 10, 20, 30, 40)
    elsewhere = started(api, other, 10)
    # When
    sent = {"experiment_id": experiment, "max_timestamp_millis": 30}
    reply = api.post(f"{BY_AGE}delete-runs", sent)
    # Then
    assert reply.ok() == {"runs_deleted": 3}
    assert active(api, experiment) == runs[3:]
    assert active(api, other) == elsewhere
    # Then: again there is nothing to delete
    assert api.post(f"{BY_AGE}delete-runs", sent).ok() == {"runs_deleted": 0}


def test_the_oldest_go_first(api: Api) -> None:
    # Given
    experiment = api.experiment()
    runs = started(api, experiment, 40, 10, 30, 20)
    # When
    sent = {"experiment_id": experiment, "max_timestamp_millis": "100", "max_runs": 2}
    assert api.post(f"{BY_AGE}delete-runs", sent).ok() == {"runs_deleted": 2}
    # Then
    assert active(api, experiment) == [runs[2], runs[0]]


def test_runs_are_restored_by_the_time_of_their_deletion(api: Api, database_url: str) -> None:
    # Given
    experiment = api.experiment()
    runs = started(api, experiment, 1, 2, 3, 4)
    api.post(f"{BY_AGE}delete-runs", {"experiment_id": experiment, "max_timestamp_millis": 9}).ok()
    for i, run in enumerate(runs):
        sql(database_url, f"UPDATE run SET deleted_time = {100 + i} WHERE uuid = '{run}'")
    # When
    sent = {"experiment_id": experiment, "min_timestamp_millis": 101}
    first = api.post(f"{BY_AGE}restore-runs", {**sent, "max_runs": 1})
    # Then: those deleted last come first
    assert first.ok() == {"runs_restored": 1}
    assert active(api, experiment) == runs[3:]
    # When
    assert api.post(f"{BY_AGE}restore-runs", sent).ok() == {"runs_restored": 2}
    # Then
    assert active(api, experiment) == runs[1:]
    assert api.post(f"{BY_AGE}restore-runs", sent).ok() == {"runs_restored": 0}


def test_lists_are_deleted_and_restored(api: Api) -> None:
    # Given
    experiment, other = api.experiment(), api.experiment()
    runs = [*started(api, experiment, 1, 2, 3), *started(api, other, 1)]
    api.post("runs/delete", {"run_id": runs[0]}).ok()
    # When
    reply = api.post(f"{LISTED}delete", {"run_ids": [*runs, runs[1]]})
    # Then: one was deleted before, one is named twice
    assert reply.ok() == {"runs_deleted": 3}
    assert active(api, experiment) == active(api, other) == []
    # When
    assert api.post(f"{LISTED}restore", {"run_ids": runs[1:]}).ok() == {"runs_restored": 3}
    # Then
    assert active(api, experiment) == runs[1:3]
    assert active(api, other) == runs[3:]


def test_more_than_a_slice(api: Api, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    # Given
    monkeypatch.setattr("runyard.server.tracking.service.bulk.SLICE", 3)
    experiment = api.experiment()
    runs = started(api, experiment, *range(10))
    before = len(events(database_url))
    # When, then
    by_age = {"experiment_id": experiment, "max_timestamp_millis": 9, "max_runs": 8}
    assert api.post(f"{BY_AGE}delete-runs", by_age).ok() == {"runs_deleted": 8}
    assert active(api, experiment) == runs[8:]
    assert api.post(f"{LISTED}restore", {"run_ids": runs}).ok() == {"runs_restored": 8}
    assert active(api, experiment) == runs
    # Then: each transaction notes what it did
    noted = events(database_url, "action, target_type, detail")[before:]
    counts = [(action, kind, int(detail.split('"runs":')[1].rstrip("}"))) for action, kind, detail in noted]
    assert counts == [
        *(("run.delete", "experiment", count) for count in (3, 3, 2)),
        *(("run.restore", "run", count) for count in (3, 3, 2)),
    ]


def test_a_wrong_run_in_a_list_keeps_all_as_they_are(api: Api) -> None:
    # Given
    experiment, gone = api.experiment(), api.experiment()
    runs, inside = started(api, experiment, 1, 2), started(api, gone, 1)
    api.post("runs/delete", {"run_id": runs[1]}).ok()
    api.post("experiments/delete", {"experiment_id": gone}).ok()
    # Then
    for path in ("delete", "restore"):
        assert api.post(f"{LISTED}{path}", {"run_ids": [*runs, "0" * 32]}).error == MISSING
    reply = api.post(f"{LISTED}restore", {"run_ids": [*runs, *inside]})
    assert reply.error == INVALID
    assert "restore the experiment first" in reply.message
    assert active(api, experiment) == runs[:1]


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no experiment": ("delete-runs", {"max_timestamp_millis": 1}, "experiment_id"),
    "no experiment's id": ("delete-runs", {"experiment_id": "x", "max_timestamp_millis": 1}, "experiment_id"),
    "no time": ("delete-runs", {"experiment_id": "0"}, "max_timestamp_millis"),
    "no time to restore": ("restore-runs", {"experiment_id": "0"}, "min_timestamp_millis"),
    "no runs": (
        "delete-runs",
        {"experiment_id": "0", "max_timestamp_millis": 1, "max_runs": 0},
        "max_runs",
    ),
    "too many runs": (
        "restore-runs",
        {"experiment_id": "0", "min_timestamp_millis": 1, "max_runs": 10_001},
        "max_runs",
    ),
}


def test_what_is_refused(api: Api) -> None:
    replies = {name: api.post(BY_AGE + path, sent) for name, (path, sent, _) in BAD.items()}
    assert_refused(replies, {name: field for name, (_, _, field) in BAD.items()})
    lists = {"empty": [], "long": ["x"] * 10_001}
    replies = {name: api.post(f"{LISTED}delete", {"run_ids": ids}) for name, ids in lists.items()}
    assert_refused(replies, dict.fromkeys(lists, "run_ids"))


def test_the_experiment_must_be_there(api: Api) -> None:
    # Given
    experiment = api.experiment()
    started(api, experiment, 1)
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    for path, time in (("delete-runs", "max_timestamp_millis"), ("restore-runs", "min_timestamp_millis")):
        # Then
        assert api.post(BY_AGE + path, {"experiment_id": "99", time: 1}).error == MISSING
        assert api.post(BY_AGE + path, {"experiment_id": experiment, time: 1}).error == INVALID
    # Then: at every address
    for base in ("/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"):
        sent = {"experiment_id": "0", "max_timestamp_millis": 0}
        assert api.post(f"{base}{BY_AGE}delete-runs", sent).ok() == {"runs_deleted": 0}
