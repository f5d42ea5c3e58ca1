"""Two server processes on one PostgreSQL: clients that race get one winner and no fault.

The servers stand in this process, but share nothing but the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, Reply, serve
from tests.api.run_data import history, latest, params, point, tags

INVALID = (400, "INVALID_PARAMETER_VALUE")
ROUNDS = 30


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Api, Api]]:
    """Two servers on one database, and one folder of artifacts."""
    with (
        serve(data=str(tmp_path / "a"), database=postgresql_url) as first,
        serve(data=str(tmp_path / "b"), database=postgresql_url) as second,
    ):
        yield first, second


def race(pair: tuple[Api, Api], path: str, sent: list[list[dict[str, Any]]]) -> list[list[Reply]]:
    """Each server gets its requests, all at once."""
    with ThreadPoolExecutor(2) as threads:
        return list(
            threads.map(lambda api, bodies: api.together(("POST", path, body) for body in bodies), pair, sent)
        )


def test_a_param_has_one_winner(pair: tuple[Api, Api]) -> None:
    # Given
    run = pair[0].run()
    # When
    sent = [
        [{"run_id": run, "key": f"p{i}", "value": f"{server}"} for i in range(ROUNDS)] for server in range(2)
    ]
    replies = race(pair, "runs/log-parameter", sent)
    # Then
    found = params(pair[0], run)
    for i in range(ROUNDS):
        won, lost = sorted((replies[0][i], replies[1][i]), key=lambda reply: reply.status)
        assert won.status == 200
        assert lost.error == INVALID
        assert found[f"p{i}"] == str(0 if replies[0][i].status == 200 else 1)
    # When: the same value is no conflict
    for i in range(ROUNDS):
        sent = [[{"run_id": run, "key": f"same{i}", "value": "v"}]] * 2
        # Then
        assert [reply.status for part in race(pair, "runs/log-parameter", sent) for reply in part] == [
            200,
            200,
        ]


def test_an_experiments_name_has_one_winner(pair: tuple[Api, Api]) -> None:
    # When
    sent = [[{"name": f"race {i}"} for i in range(ROUNDS)]] * 2
    replies = race(pair, "experiments/create", sent)
    # Then
    for first, second in zip(*replies, strict=True):
        assert sorted([first.status, second.status]) == [200, 400]
        lost = max(first, second, key=lambda reply: reply.status)
        assert lost.error == (400, "RESOURCE_ALREADY_EXISTS")


def test_everything_else_is_kept_from_both(pair: tuple[Api, Api]) -> None:
    # Given
    run = pair[0].run()
    sent = [
        [
            {
                "run_id": run,
                "metrics": [point(key=f"m{i % 3}", value=server, step=i), point(key=f"new{i}", value=server)],
                "tags": [{"key": f"t{i % 3}", "value": str(server)}, {"key": f"{server}.{i}"}],
                "params": [{"key": "same", "value": "v"}],
            }
            for i in range(ROUNDS)
        ]
        for server in range(2)
    ]
    # When
    replies = race(pair, "runs/log-batch", sent)
    # Then
    assert {reply.status for part in replies for reply in part} == {200}
    for api in pair:
        assert [len(history(api, run, f"m{k}")) for k in range(3)] == [2 * ROUNDS / 3] * 3
        assert latest(api, run)["m0"] == (1.0, 1, ROUNDS - 3)
        assert len(tags(api, run)) == 3 + 2 * ROUNDS
        assert params(api, run) == {"same": "v"}


def test_runs_of_both_are_distinct(pair: tuple[Api, Api]) -> None:
    # Given
    experiment = pair[0].experiment()
    # When
    replies = race(pair, "runs/create", [[{"experiment_id": experiment}] * ROUNDS] * 2)
    # Then
    made = {reply.ok()["run"]["info"]["run_id"] for part in replies for reply in part}
    sent = {"experiment_ids": [experiment], "max_results": 1000}
    found = {run["info"]["run_id"] for run in pair[1].post("runs/search", sent).ok()["runs"]}
    assert found == made
    assert len(made) == 2 * ROUNDS


def test_changes_of_different_fields_are_kept_from_both(pair: tuple[Api, Api]) -> None:
    # Given
    runs = [pair[0].run() for _ in range(ROUNDS)]
    # When one server ends the runs while the other renames them
    sent: list[list[dict[str, Any]]] = [
        [{"run_id": run, "status": "FINISHED", "end_time": 7} for run in runs],
        [{"run_id": run, "run_name": f"renamed {i}"} for i, run in enumerate(runs)],
    ]
    replies = race(pair, "runs/update", sent)
    # Then
    assert {reply.status for part in replies for reply in part} == {200}
    for i, run in enumerate(runs):
        info = pair[0].get("runs/get", {"run_id": run}).ok()["run"]["info"]
        assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", 7, f"renamed {i}")


def test_models_noted_by_both_are_all_listed(pair: tuple[Api, Api]) -> None:
    # Given
    run = pair[0].run()
    # When
    sent = [
        [
            {
                "run_id": run,
                "model_json": json.dumps(
                    {"artifact_path": f"{server}/{i}", "flavors": {}, "utc_time_created": "t", "run_id": run}
                ),
            }
            for i in range(ROUNDS)
        ]
        for server in range(2)
    ]
    replies = race(pair, "runs/log-model", sent)
    # Then
    assert {reply.status for part in replies for reply in part} == {200}
    listed = json.loads(tags(pair[1], run)["mlflow.log-model.history"])
    assert {model["artifact_path"] for model in listed} == {
        f"{s}/{i}" for s in range(2) for i in range(ROUNDS)
    }


def test_no_run_is_left_active_in_an_experiment_that_is_deleted_meanwhile(pair: tuple[Api, Api]) -> None:
    experiments = [pair[0].experiment(f"going {i}") for i in range(ROUNDS)]
    # When one server creates runs in experiments that the other deletes
    with ThreadPoolExecutor(2) as threads:
        creating = threads.submit(
            pair[0].together, [("POST", "runs/create", {"experiment_id": e}) for e in experiments * 3]
        )
        deleting = threads.submit(
            pair[1].together, [("POST", "experiments/delete", {"experiment_id": e}) for e in experiments]
        )
    # Then
    assert {reply.status for reply in deleting.result()} == {200}
    assert {reply.status for reply in creating.result()} <= {200, 400}
    sent = {"experiment_ids": experiments, "run_view_type": "ACTIVE_ONLY"}
    assert pair[0].post("runs/search", sent).ok().get("runs", []) == []
