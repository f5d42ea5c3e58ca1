"""How search grows with the number of runs: the same questions to 3 thousand, 100 thousand and a million.

Each question is asked over HTTP for a page of 50 runs, a few times at one connection; the median counts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

from benchmarks import run_data
from benchmarks.load import TimeBox, time_one
from benchmarks.measures import Measure, Progress, Suite
from benchmarks.peers import PEERS, Server
from benchmarks.run_data import Made
from benchmarks.wire import Address, Client, head
from runyard.server.db.database import open_dialect

SIZES = (3_000, 100_000, 1_000_000)
PAGE = 50
LIMIT_MS = 500.0
_BOX = TimeBox(warmup=0.0, seconds=0.5, samples=5, longest=10.0)
_RUNYARD = next(peer for peer in PEERS if peer.name == "runyard")

# name -> (filter, order)
QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "newest first": ("", ()),
    "by a metric, descending": ("", ("metrics.acc DESC",)),
    "by a metric with NaN, ascending": ("", ("metrics.grad_norm ASC",)),
    "by a param": ("", ("params.lr ASC",)),
    "by a tag": ("", ("tags.team DESC",)),
    "by the name": ("", ("attributes.run_name ASC",)),
    "by the end": ("", ("attributes.end_time DESC",)),
    "by the greatest of a metric": ("", ("max(metrics.acc) DESC",)),
    "few by a metric's range": ("metrics.acc > 0.9999", ()),
    "most by a metric's range": ("metrics.acc > 0.01", ()),
    "few by a param": ("params.optimizer = 'lion'", ()),
    "most by a param": ("params.optimizer = 'adam'", ()),
    "metric and param, by a metric": (
        "metrics.acc > 0.5 AND params.optimizer = 'adam'",
        ("metrics.loss ASC",),
    ),
    "two that exclude each other": ("metrics.acc > 0.6 AND metrics.loss > 0.6", ("metrics.acc DESC",)),
    "a pattern in few": ("params.commit LIKE '%abc%'", ()),
    "a pattern in any case": ("params.comment ILIKE '%NOWHERE%'", ()),
    "by status": ("status = 'FAILED'", ("metrics.acc DESC",)),
    "one of two": ("params.optimizer = 'lion' OR metrics.acc > 0.9999", ()),
    "none of many": ("NOT (params.optimizer = 'adam' OR params.optimizer = 'sgd')", ("metrics.acc DESC",)),
    "without a key": ("metrics.nothing IS NULL", ("metrics.acc DESC",)),
    "a few values": ("params.model IN ('model-1', 'model-2')", ("metrics.loss ASC",)),
}


def run(progress: Progress) -> Sequence[Measure]:
    """The worst and the middle question at each size, and one run by its id."""
    measures: list[Measure] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-runs-") as folder:
            url = f"sqlite:///{Path(folder) / 'runyard.db'}"
            made = run_data.make(open_dialect(url), size, progress)
            with _running(url) as server:
                measures += _ask(server.address, made, size, progress)
    return measures


SUITE = Suite("runs", "Runs: search and get as they grow", run)


def _ask(address: Address, made: Made, size: int, progress: Progress) -> list[Measure]:
    took: dict[str, float] = {}
    for name, (wanted, order) in QUESTIONS.items():
        body = {"experiment_ids": [str(made.experiment)], "max_results": PAGE}
        request = _post(address, body | {"filter": wanted, "order_by": list(order)})
        took[name] = time_one(address, repeat(request).__next__, _BOX).quantile(0.5) * 1000
        progress(f"{size:,} runs, {name}: {took[name]:.1f} ms")
    with Client(address) as client:
        found = json.loads(
            client.send(_post(address, {"experiment_ids": [str(made.experiment)], "max_results": 1}))
        )
        run_id = found["runs"][0]["info"]["run_id"]
    get = head(address, "GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}", 0)
    one = time_one(address, repeat(get).__next__, _BOX).quantile(0.5) * 1000
    worst = max(took, key=lambda name: took[name])
    middle = sorted(took.values())[len(took) // 2]
    label = f"{size:,} runs"
    return [
        Measure(f"{label}: get a run", one, "ms"),
        Measure(f"{label}: newest first", took["newest first"], "ms"),
        Measure(f"{label}: the middle of {len(took)} questions", middle, "ms"),
        Measure(
            f"{label}: the worst ({worst})", took[worst], "ms", f"under {LIMIT_MS:g}", took[worst] < LIMIT_MS
        ),
    ]


def _post(address: Address, body: object) -> bytes:
    content = json.dumps(body).encode()
    return head(address, "POST", "/api/2.0/mlflow/runs/search", len(content)) + content


@contextmanager
def _running(database: str) -> Iterator[Server]:
    server = Server(_RUNYARD, database)
    try:
        server.start()
        yield server
    finally:
        server.stop()
