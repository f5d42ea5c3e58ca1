"""Writers under load, what they noted of the answers, and the check that a server has kept it."""

from __future__ import annotations

import http.client
import random
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.faults.server import Answer, Client

# How long a writer may take for what it is waited for.
PATIENCE_SECONDS = 30.0
POINTS = 60


class Poster(Protocol):
    """What a writer writes through."""

    def post(self, path: str, body: dict[str, Any]) -> Any: ...
    def close(self) -> None: ...


@dataclass
class Ledger:
    """What one writer sent to its runs and what the server acknowledged."""

    sent: dict[str, list[int]] = field(default_factory=dict)
    acknowledged: dict[str, list[int]] = field(default_factory=dict)
    params: dict[str, dict[str, str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: Exception | None = None


class Patient:
    """A client that sends again what wasn't answered, or with 503, as MLflow's do.

    Attributes:
        cut: how many connections broke.
        refused: how many answers were 503.
        slowest: the longest that one of both took, in seconds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refusals = threading.Semaphore(0)
        self.cut = 0
        self.refused = 0
        self.slowest = 0.0

    def wait_until_refused(self, times: int) -> None:
        """Return when so many answers more than at the last call were 503."""
        for _ in range(times):
            assert self._refusals.acquire(timeout=PATIENCE_SECONDS)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._until_answered(lambda: self._client.post(path, body))

    def get(self, path: str, **query: Any) -> Any:
        return self._until_answered(lambda: self._client.get(path, **query))

    def close(self) -> None:
        self._client.close()

    def _until_answered(self, send: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE_SECONDS
        while (started := time.monotonic()) < end:
            try:
                return send()
            except Answer as answer:
                if answer.status != 503:
                    raise
                self.refused += 1
                self._refusals.release()
            except (OSError, http.client.HTTPException):
                self.cut += 1
                self._client.close()  # the next request connects again
            self.slowest = max(self.slowest, time.monotonic() - started)
            # Nothing tells when it would be answered, and what makes that happen needs the processor too.
            select.select([], [], [], 0.02)
        raise AssertionError(f"no answer within {PATIENCE_SECONDS} s")


class Writer(threading.Thread):
    """Logs to runs of its own until it is told to finish, or the server is gone.

    Args:
        client: what it writes through.
        seed: of what it writes.
    """

    def __init__(self, client: Poster, seed: int) -> None:
        super().__init__(daemon=True)
        self.ledger = Ledger()
        self._client = client
        self._random = random.Random(seed)
        self._finish = threading.Event()
        self._news = threading.Condition()
        self._acknowledged = 0
        self._ended = False

    def wait_for(self, requests: int) -> None:
        """Return when so many requests more have been acknowledged."""
        with self._news:
            goal = self._acknowledged + requests
            self._news.wait_for(lambda: self._ended or self._acknowledged >= goal, PATIENCE_SECONDS)
            assert self._acknowledged >= goal, self.ledger.failure

    def finish(self) -> None:
        """End with the run that is being written."""
        self._finish.set()

    def run(self) -> None:
        try:
            while not self._finish.is_set():
                self._write_run()
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        except (Answer, AssertionError, KeyError, ValueError) as error:
            self.ledger.failure = error
        finally:
            self._client.close()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _write_run(self) -> None:
        created = self._post("runs/create", {"experiment_id": "0", "start_time": 1})
        run = created["run"]["info"]["run_id"]
        ledger = self.ledger
        ledger.sent[run], ledger.acknowledged[run] = [], []
        ledger.params[run], ledger.tags[run] = {}, {}
        for step in range(0, POINTS, 3):
            self._points(run, step)
            key, value = f"p{step}", str(self._random.random())
            self._post("runs/log-parameter", {"run_id": run, "key": key, "value": value})
            ledger.params[run][key] = value
            self._post("runs/set-tag", {"run_id": run, "key": "last", "value": str(step)})
            ledger.tags[run]["last"] = str(step)

    def _points(self, run: str, step: int) -> None:
        steps = [step, step + 1, step + 2]
        self.ledger.sent[run] += steps
        if self._random.random() < 0.5:
            for one in steps:
                point = {"run_id": run, "key": "loss", "value": one / 2, "timestamp": 1000 + one, "step": one}
                self._post("runs/log-metric", point)
                self.ledger.acknowledged[run].append(one)
        else:
            metrics = [{"key": "loss", "value": s / 2, "timestamp": 1000 + s, "step": s} for s in steps]
            self._post("runs/log-batch", {"run_id": run, "metrics": metrics})
            self.ledger.acknowledged[run] += steps

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(path, body)
        with self._news:
            self._acknowledged += 1
            self._news.notify_all()
        return answer


def check(client: Client, ledger: Ledger) -> None:
    """What was acknowledged is there, once; what wasn't is there at most once."""
    assert ledger.failure is None
    for run in ledger.acknowledged:
        _check_run(client, run, ledger)


def _check_run(client: Client, run: str, ledger: Ledger) -> None:
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
