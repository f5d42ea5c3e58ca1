"""kill -9 under load: what was acknowledged is there, once; what wasn't is there at most once."""

from __future__ import annotations

import http.client
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import Answer, Client, Server

ROUNDS = 3
WRITERS = 6
# How many acknowledgements a round waits for before the kill: the moment differs from round to round.
ACKNOWLEDGED = (40, 400)


@dataclass
class Ledger:
    """What one writer sent to its runs and what the server acknowledged."""

    sent: dict[str, list[int]] = field(default_factory=dict)
    acknowledged: dict[str, list[int]] = field(default_factory=dict)
    params: dict[str, dict[str, str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: Exception | None = None


class Writer(threading.Thread):
    """Logs to runs of its own until the server is gone."""

    def __init__(self, server: Server, ledger: Ledger, acknowledged: threading.Semaphore, seed: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._ledger = ledger
        self._acknowledged = acknowledged
        self._random = random.Random(seed)

    def run(self) -> None:
        try:
            self._write(self._server.client())
        except (OSError, http.client.HTTPException):
            pass  # killed
        except (Answer, AssertionError, KeyError, ValueError) as error:
            self._ledger.failure = error

    def _write(self, client: Client) -> None:
        ledger = self._ledger
        while True:
            run = client.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
            ledger.sent[run], ledger.acknowledged[run] = [], []
            ledger.params[run], ledger.tags[run] = {}, {}
            for step in range(0, 60, 3):
                self._points(client, run, step)
                key, value = f"p{step}", str(self._random.random())
                client.post("runs/log-parameter", {"run_id": run, "key": key, "value": value})
                ledger.params[run][key] = value
                client.post("runs/set-tag", {"run_id": run, "key": "last", "value": str(step)})
                ledger.tags[run]["last"] = str(step)
                self._acknowledged.release(3)

    def _points(self, client: Client, run: str, step: int) -> None:
        steps = [step, step + 1, step + 2]
        self._ledger.sent[run] += steps
        if self._random.random() < 0.5:
            for one in steps:
                point = {"run_id": run, "key": "loss", "value": one / 2, "timestamp": 1000 + one, "step": one}
                client.post("runs/log-metric", point)
                self._ledger.acknowledged[run].append(one)
        else:
            metrics = [{"key": "loss", "value": s / 2, "timestamp": 1000 + s, "step": s} for s in steps]
            client.post("runs/log-batch", {"run_id": run, "metrics": metrics})
            self._ledger.acknowledged[run] += steps


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Any:
    options = ("--database", database_url)
    started = Server(tmp_path / "data", *options)
    started.start()
    yield started
    started.stop()


@pytest.mark.xdist_group("processes")
def test_nothing_acknowledged_is_lost(server: Server) -> None:
    chance = random.Random(7)
    ledgers: list[Ledger] = []
    for round_ in range(ROUNDS):
        # Given writers at work
        acknowledged = threading.Semaphore(0)
        mine = [Ledger() for _ in range(WRITERS)]
        writers = [Writer(server, ledger, acknowledged, round_ * 100 + i) for i, ledger in enumerate(mine)]
        for writer in writers:
            writer.start()
        for _ in range(chance.randint(*ACKNOWLEDGED)):
            assert acknowledged.acquire(timeout=30)
        # When the server dies and starts again
        server.kill()
        for writer in writers:
            writer.join(30)
        server.start()
        # Then everything acknowledged, in this round and before, is there once
        ledgers += mine
        client = server.client()
        for ledger in ledgers:
            assert ledger.failure is None
            for run in ledger.acknowledged:
                _check(client, run, ledger)
        client.close()


def _check(client: Client, run: str, ledger: Ledger) -> None:
    data = client.get("runs/get", run_id=run)["run"]["data"]
    points = client.get("metrics/get-history", run_id=run, metric_key="loss").get("metrics", [])
    steps = [point["step"] for point in points]
    assert len(steps) == len(set(steps))
    assert set(ledger.acknowledged[run]) <= set(steps) <= set(ledger.sent[run])
    assert all(point["value"] == point["step"] / 2 for point in points)
    if steps:
        latest = {metric["key"]: metric for metric in data["metrics"]}["loss"]
        assert latest["step"] == max(steps)
    params = {param["key"]: param["value"] for param in data.get("params", [])}
    assert ledger.params[run].items() <= params.items()
    tags = {tag["key"]: tag["value"] for tag in data["tags"]}
    for key, value in ledger.tags[run].items():
        assert int(tags[key]) >= int(value)
