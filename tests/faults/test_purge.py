"""kill -9 in the middle of a purge: it goes on after the next start, and touches nothing that is in use."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runyard.server.db.database import open_dialect
from tests.api.trash_data import OF_RUN, sql
from tests.faults.server import Client, Server

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("processes")]

RUNS = 200
KEYS = 999
KILLS = 2
PATIENCE_SECONDS = 180.0


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    started = Server(tmp_path / "data", "--database", database_url)
    started.start()
    yield started
    started.stop()


def _run(client: Client, experiment: str) -> str:
    """A run with many series, a param and an artifact."""
    run = str(client.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"])
    metrics = [{"key": f"m{i}", "value": i, "timestamp": i, "step": i} for i in range(KEYS)]
    client.post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": [{"key": "p", "value": run}]})
    client.put(f"/api/2.0/mlflow-artifacts/artifacts/default/{experiment}/{run}/artifacts/a.txt", b"hello")
    return run


def _look(client: Client, run: str) -> list[Any]:
    found = [client.get("runs/get", run_id=run), client.get("artifacts/list", run_id=run)]
    return [*found, client.get("metrics/get-history", run_id=run, metric_key="m7")]


class Progress:
    """How many runs on their way out still have something, asked over one connection."""

    QUERY = (
        "SELECT count(*) FROM run WHERE lifecycle = 2"
        " AND EXISTS (SELECT 1 FROM run_metric WHERE run_metric.run_id = run.id)"
    )

    def __init__(self, url: str) -> None:
        self._connection = open_dialect(url).connect(readonly=False)

    def left(self) -> int:
        return int(self._connection.execute(self.QUERY).fetchone()[0])

    def wait_for_less(self, than: int, client: Client) -> None:
        _wait_for(client, lambda: 0 < self.left() < than)

    def close(self) -> None:
        self._connection.close()


def _purge(client: Client) -> None:
    with suppress(OSError, http.client.HTTPException):  # the server dies before it answers
        client.native("trash/purge", {"all": True})
    client.close()


def _wait_for(client: Client, what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end
        client.raw("/health")  # so that polling leaves the server some time


def test_a_purge_goes_on_after_a_kill(server: Server, database_url: str, tmp_path: Path) -> None:
    # Given many runs in the trash, and one in use
    client = server.client()
    experiment = client.post("experiments/create", {"name": "e"})["experiment_id"]
    kept = _run(client, experiment)
    runs = [_run(client, experiment) for _ in range(RUNS)]
    deleted = client.native("runs/delete", {"run_ids": runs})
    assert deleted == {"runs_deleted": RUNS}
    before = _look(client, kept)
    # When all of them are purged, and the server is killed again and again
    asking = threading.Thread(target=_purge, args=(server.client(),))
    asking.start()
    progress, left = Progress(database_url), RUNS
    for _ in range(KILLS):
        progress.wait_for_less(left, client)
        server.kill()
        left = progress.left()
        assert left > 0
        asking.join(PATIENCE_SECONDS)
        server.start()
        client.close()
        client = server.client()
        # Then none of them is seen, and the one in use is as it was
        assert _look(client, kept) == before
        assert client.get_native("trash") == {"items": [], "next_page_token": None}
        assert _searched(client, experiment) == [kept]
    # Then it is finished after all
    _wait_for(client, lambda: client.native("trash/purge", {"all": True, "deleted_before": 0})["done"])
    assert progress.left() == 0
    progress.close()
    for table in OF_RUN:
        gone = f"SELECT count(*) FROM {table} WHERE run_id IN (SELECT id FROM run WHERE lifecycle > 0)"
        assert sql(database_url, gone) == [(0,)] or table == "run_points"
    assert _look(client, kept) == before
    ((key,),) = sql(database_url, f"SELECT id FROM run WHERE uuid = '{kept}'")
    scopes = sql(database_url, "SELECT scope FROM metric_batch UNION SELECT scope FROM metric_pack")
    assert scopes == [(key,)]
    artifacts = [path.parent.parent.name for path in (tmp_path / "data").rglob("a.txt")]
    assert artifacts == [kept]
    client.close()


def _searched(client: Client, experiment: str) -> list[str]:
    sent = {"experiment_ids": [experiment], "run_view_type": "ALL"}
    return [run["info"]["run_id"] for run in client.post("runs/search", sent)["runs"]]
