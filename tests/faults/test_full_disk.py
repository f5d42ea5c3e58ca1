"""A full disk: writes say so, reads go on, nothing acknowledged is lost, and room brings writes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import Answer, Client, Server

pytestmark = pytest.mark.xdist_group("processes")

SMALL = 1_200_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", "--max-database-bytes", str(SMALL), "--max-artifact-bytes", str(SMALL))
    server.start()
    yield server
    server.stop()


def _new_run(client: Client) -> str:
    run: str = client.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    return run


def _batch(start: int) -> list[dict[str, Any]]:
    # Values that don't compress.
    return [
        {"key": f"k{i % 7}", "value": (i * 2654435761 % 2**32) / 7, "timestamp": 1000 + i, "step": i}
        for i in range(start, start + 1000)
    ]


def _fill(client: Client, run: str) -> tuple[int, Answer]:
    """Log until the server refuses; returns how many batches it took and the refusal."""
    for batch in range(1000):
        try:
            client.post("runs/log-batch", {"run_id": run, "metrics": _batch(batch * 1000)})
        except Answer as refusal:
            return batch, refusal
    raise AssertionError("the database never got full")


def test_a_full_database_refuses_writes_and_keeps_the_rest(small: Server, tmp_path: Path) -> None:
    client = small.client()
    run = _new_run(client)
    # When the database gets full
    taken, refusal = _fill(client, run)
    # Then the refusal is clear
    assert taken > 0
    assert refusal.status == 507
    answer = json.loads(refusal.body)
    assert answer["error_code"] == "RESOURCE_EXHAUSTED"
    assert "no room" in answer["message"]
    # and reads go on, with everything that was acknowledged
    assert _count(client, run) == taken * 1000
    assert client.get("experiments/get", experiment_id="0")["experiment"]["name"] == "Default"
    assert client.raw("/health") == b"OK"
    # and when there is room again, so do writes, in the same process's successor
    assert small.stop() == 0
    roomy = Server(tmp_path / "data", "--max-database-bytes", str(SMALL * 4))
    roomy.start()
    try:
        again = roomy.client()
        assert _count(again, run) == taken * 1000
        again.post("runs/log-batch", {"run_id": run, "metrics": _batch(taken * 1000)})
        assert _count(again, run) == (taken + 1) * 1000
    finally:
        roomy.stop()


def test_full_artifacts_refuse_writes_until_there_is_room(small: Server) -> None:
    client = small.client()
    run = client.post("runs/create", {"experiment_id": "0"})["run"]["info"]
    root = "/api/2.0/mlflow-artifacts/artifacts" + run["artifact_uri"].removeprefix("mlflow-artifacts:")
    # Given a file that takes most of the room
    client.put(f"{root}/big.bin", b"x" * 1_000_000)
    # When another doesn't fit
    with pytest.raises(Answer) as refused:
        client.put(f"{root}/more.bin", b"y" * 500_000)
    # Then that is said, and nothing of it is left
    assert refused.value.status == 507
    files = client.get("artifacts/list", run_id=run["run_id"])["files"]
    assert [file["path"] for file in files] == ["big.bin"]
    assert client.raw(f"{root}/big.bin") == b"x" * 1_000_000
    # and room brings writes back
    client.put(f"{root}/big.bin", b"z" * 100)
    client.put(f"{root}/more.bin", b"y" * 500_000)
    assert client.raw(f"{root}/more.bin") == b"y" * 500_000


def _count(client: Client, run: str) -> int:
    total = 0
    for key in range(7):
        answer = client.get("metrics/get-history", run_id=run, metric_key=f"k{key}")
        total += len(answer.get("metrics", []))
    return total
