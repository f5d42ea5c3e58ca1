"""Two server processes on one PostgreSQL: one purges what the other writes to, or brings back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, Reply, serve
from tests.api.trash_data import OF_RUN, TRASH, age, fill, item, purge, settle, sql

OK = (200, None)
INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
ROUNDS = 10
MINUTE = 60_000
Request = tuple[str, str, Any]


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Api, Api]]:
    """Two servers on one database and one folder of artifacts."""
    shared = str(tmp_path / "artifacts")
    with (
        serve(data=str(tmp_path / "a"), database=postgresql_url, artifacts=shared) as first,
        serve(data=str(tmp_path / "b"), database=postgresql_url, artifacts=shared) as second,
    ):
        yield first, second


def race(pair: tuple[Api, Api], first: list[Request], second: list[Request]) -> list[list[Reply]]:
    """Each server gets its requests, all at once."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda api, requests: api.together(requests), pair, (first, second)))


def settled(pair: tuple[Api, Api], url: str) -> None:
    """Let the background work of both pass, as if a minute had gone by."""
    for api in pair:
        settle(api)
    age(url, 2 * MINUTE)
    for api in pair:
        settle(api)


def test_nothing_is_left_of_what_came_late(pair: tuple[Api, Api], postgresql_url: str) -> None:
    for _ in range(ROUNDS):
        # Given
        run = pair[0].run()
        batch = {
            "run_id": run,
            "metrics": [{"key": f"m{i}", "value": i, "timestamp": i} for i in range(5)],
            "params": [{"key": "p", "value": "1"}],
            "tags": [{"key": "t", "value": "x"}],
        }
        gone = {"items": [item("run", run)]}
        # When one server logs to a run that the other deletes and purges
        replies = race(
            pair,
            [("POST", "runs/log-batch", batch)] * 20,
            [("POST", "runs/delete", {"run_id": run})] + [("POST", f"{TRASH}/purge", gone)] * 3,
        )
        # Then
        assert {reply.error for reply in replies[0]} <= {OK, INVALID, MISSING}
        pair[1].post("runs/delete", {"run_id": run})
        purge(pair[1])
    settled(pair, postgresql_url)
    assert sql(postgresql_url, "SELECT count(*) FROM run") == [(0,)]
    for table in OF_RUN:
        assert sql(postgresql_url, f"SELECT count(*) FROM {table}") == [(0,)], table
    for table in ("metric_batch", "metric_pack", "metric_chunk"):
        assert sql(postgresql_url, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_dataset_that_is_read_meanwhile_stays(pair: tuple[Api, Api]) -> None:
    for i in range(ROUNDS):
        # Given a dataset that one run in the trash has read
        experiment = pair[0].experiment()
        gone, kept = pair[0].run(experiment), pair[0].run(experiment)
        dataset = {"name": "d", "digest": str(i), "source_type": "local", "source": "s"}
        use = {"datasets": [{"dataset": dataset, "tags": []}]}
        pair[0].post("runs/log-inputs", {"run_id": gone, **use}).ok()
        pair[0].post("runs/delete", {"run_id": gone}).ok()
        # When another run reads it while that one is purged
        replies = race(
            pair,
            [("POST", "runs/log-inputs", {"run_id": kept, **use})],
            [("POST", f"{TRASH}/purge", {"items": [item("run", gone)]})],
        )
        # Then
        assert [reply.error for part in replies for reply in part] == [OK, OK]
        inputs = pair[0].get("runs/get", {"run_id": kept}).ok()["run"]["inputs"]
        assert [one["dataset"]["digest"] for one in inputs["dataset_inputs"]] == [str(i)]


def test_what_is_restored_is_whole_or_gone(pair: tuple[Api, Api]) -> None:
    for _ in range(ROUNDS):
        # Given
        run = pair[0].run()
        fill(pair[0], run)
        pair[0].post("runs/delete", {"run_id": run}).ok()
        items = {"items": [item("run", run)]}
        # When one restores what the other purges
        ((restored,), (purged,)) = race(
            pair, [("POST", f"{TRASH}/restore", items)], [("POST", f"{TRASH}/purge", items)]
        )
        # Then one of them wins
        assert sorted([restored.status, purged.status]) == [200, 404]
        found = pair[0].get("runs/get", {"run_id": run})
        assert found.status == restored.status
        if restored.status == 200:
            data = found.ok()["run"]
            assert len(data["data"]["metrics"]) == 3
            assert len(data["inputs"]["dataset_inputs"]) == 2
            assert pair[1].get("artifacts/list", {"run_id": run}).ok()["files"]
