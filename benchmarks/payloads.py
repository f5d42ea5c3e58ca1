"""What the benchmark sends: the made-up runs, and request sources that cost the generator microseconds.

Everything is drawn from seeded generators, so every server gets the same values.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from benchmarks.load import Source
from benchmarks.wire import API, Address, get, head, post

BATCH_KEYS = 50
BATCH_STEPS = 20  # times BATCH_KEYS: the 1,000 points that MLflow allows in one log-batch
RUN_FIELDS = 10  # params, and metrics, of each stored run
RUN_TAGS = 5
PARAM_VALUES = 5
EPOCH_MS = 1_700_000_000_000
_VARIANTS = 16


def point_source(address: Address, run_id: str) -> Source:
    """`log-metric`: one point a request, step and timestamp increasing."""
    rng = random.Random(run_id)
    templates = []
    for _ in range(_VARIANTS):
        # JSON allows the spaces that keep the width of the step, and so Content-Length, the same.
        body = (
            f'{{"run_uuid": "{run_id}", "run_id": "{run_id}", "key": "loss", "value": {rng.random()!r}, '
            '"timestamp": %d, "step": %8d}'
        ).encode()
        length = len(body % (EPOCH_MS, 0))
        templates.append(head(address, "POST", API + "runs/log-metric", length) + body)
    numbers = zip(itertools.count(), itertools.cycle(templates))

    def next_request() -> bytes:
        step, template = next(numbers)
        return template % (EPOCH_MS + step, step)

    return next_request


def batch_source(address: Address, run_id: str) -> Source:
    """`log-batch`: `BATCH_STEPS` new steps of `BATCH_KEYS` keys in each request."""
    rng = random.Random(run_id)
    variants = [[_points(rng) for _ in range(BATCH_STEPS)] for _ in range(4)]
    numbers = zip(itertools.count(step=BATCH_STEPS), itertools.cycle(variants))
    opening = f'{{"run_id": "{run_id}", "metrics": ['.encode()

    def next_request() -> bytes:
        first, steps = next(numbers)
        content = opening + b", ".join(map(_stamped, steps, itertools.count(first))) + b"]}"
        return head(address, "POST", API + "runs/log-batch", len(content)) + content

    return next_request


def create_source(address: Address, experiment_id: str) -> Source:
    """`runs/create`, each run a second after the one before."""
    numbers = itertools.count()
    return lambda: post(address, "runs/create", new_run(experiment_id, next(numbers)))


def get_source(address: Address, run_ids: Sequence[str]) -> Source:
    """`runs/get` of one run after the other, in a shuffled order."""
    shuffled = random.Random(7).sample(run_ids, len(run_ids))
    requests = itertools.cycle(
        [get(address, "runs/get", {"run_uuid": run_id, "run_id": run_id}) for run_id in shuffled]
    )
    return lambda: next(requests)


def new_run(experiment_id: str, number: int, *, tags: int = 0) -> dict[str, Any]:
    """The body of `runs/create` as MLflow's fluent API sends it, with further tags."""
    own = {"mlflow.user": "ada", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}
    further = {f"tag_{index}": f"value {number % (index + 2)}" for index in range(tags)}
    return {
        "experiment_id": experiment_id,
        "user_id": "ada",
        "start_time": EPOCH_MS + 1000 * number,
        "tags": [{"key": key, "value": value} for key, value in (own | further).items()],
    }


def fields_of_run(run_id: str, number: int) -> dict[str, Any]:
    """The body of `log-batch` that gives a run its `RUN_FIELDS` params and metrics."""
    rng = random.Random(number)
    return {
        "run_id": run_id,
        "params": [
            {"key": f"param_{index}", "value": str(rng.randrange(PARAM_VALUES * (index + 1)))}
            for index in range(RUN_FIELDS)
        ],
        "metrics": [
            {"key": f"metric_{index}", "value": rng.random(), "timestamp": EPOCH_MS + number, "step": 0}
            for index in range(RUN_FIELDS)
        ],
    }


def slice_of_series(run_id: str, key: str, first: int, count: int) -> dict[str, Any]:
    """The body of `log-batch` that adds `count` points of one series from step `first` on."""
    rng = random.Random(first)
    return {
        "run_id": run_id,
        "metrics": [
            {"key": key, "value": rng.random(), "timestamp": EPOCH_MS + 100 * step, "step": step}
            for step in range(first, first + count)
        ],
    }


def _points(rng: random.Random) -> list[bytes]:
    """One step's points, each up to where its timestamp and step follow."""
    return [f'{{"key": "metric_{key:02d}", "value": {rng.random()!r}, '.encode() for key in range(BATCH_KEYS)]


def _stamped(points: list[bytes], step: int) -> bytes:
    stamp = b'"timestamp": %d, "step": %d}' % (EPOCH_MS + 100 * step, step)
    return (stamp + b", ").join(points) + stamp
