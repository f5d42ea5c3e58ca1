"""Makes a database with many runs, as the server would have written it.

Rows go through the stores' own insert statements, in bulk and without HTTP; the secondary indexes are
dropped before and made again afterwards, which gives the same index in a fraction of the time. The points
of the metrics aren't stored, only their summaries: no search reads points.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Index
from sqlalchemy.schema import CreateIndex, DropIndex

from runyard.server.db import Dialect, Transaction
from runyard.server.db.migrate import upgrade
from runyard.server.metrics import engine
from runyard.server.metrics.types import PointBatch
from runyard.server.tracking import tables as t
from runyard.server.tracking.store import attributes, datasets, experiments, runs, summaries
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import DatasetInput, Lifecycle, RunStatus

START_MS = 1_700_000_000_000
SPACING_MS = 60_000
SMALL_EXPERIMENTS = 50
SMALL_SIZE = 20
WORKSPACE = 1

PARAMS = (
    "lr",  # continuous
    "batch_size",  # six values
    "optimizer",  # skewed: 60 % adam, 0.1 % lion
    "model",  # fifty values
    "seed",  # nearly unique
    "epochs",  # always the same
    "dropout",
    "data_version",  # grows with time: the oldest tenth has v0
    "commit",  # unique text
    "comment",  # long texts with a common start, in a hundredth of the runs; else short
)
METRICS = (
    "acc",  # continuous
    "loss",  # nearly 1 - acc
    "val_acc",
    "val_loss",
    "f1",
    "epoch",  # always the same
    "seconds",
    "gpu_mem",  # eight values
    "drift",  # grows with time
    "grad_norm",  # NaN in a tenth
)
TAGS = ("mlflow.runName", "mlflow.user", "mlflow.source.name", "team")
_CHUNK = 10_000
_TABLES = (t.run, t.run_param, t.run_tag, t.run_metric, t.run_dataset)


@dataclass(frozen=True)
class Made:
    """What was made: the experiment with nearly all runs, and small ones beside it."""

    experiment: int
    small: tuple[int, ...]
    runs: int


def make(
    dialect: Dialect, count: int, progress: Callable[[str], None] = lambda text: None, folder: str = ""
) -> Made:
    """Fill a new database with `count` runs in one experiment, and a few small experiments, all in `folder`.

    A hundredth of the runs is in the trash.
    """
    upgrade(dialect)
    driver = dialect.connect(readonly=False)
    try:
        keys = Keys()
        with transaction(dialect, driver) as tx:
            experiment = _experiment(tx, f"{folder}many")
            small = tuple(_experiment(tx, f"{folder}small-{i}") for i in range(SMALL_EXPERIMENTS))
            ids = keys.intern(tx, sorted({*PARAMS, *METRICS, *TAGS}))
        homes = [(experiment, count), *((one, SMALL_SIZE) for one in small)]
        with _without_indexes(dialect, driver):
            first = 1
            for home, size in homes:
                for start in range(0, size, _CHUNK):
                    stop = min(size, start + _CHUNK)
                    with transaction(dialect, driver) as tx:
                        _Rows(ids, home, first + start, np.arange(start, stop), size).write(tx)
                    if stop % 100_000 == 0:
                        progress(f"{stop:,} runs written")
                first += size
            progress("making the indexes")
        _finish(dialect, driver)
        return Made(experiment, small, count)
    finally:
        driver.close()


class _Rows:
    """A chunk of an experiment's runs; `numbers` are their places in time, of `size` in all."""

    def __init__(
        self, ids: dict[str, int], experiment: int, first: int, numbers: np.ndarray[Any, Any], size: int
    ) -> None:
        self._ids = ids
        self._experiment = experiment
        self._n = len(numbers)
        self._rng = np.random.default_rng([experiment, int(numbers[0])])
        self._age = numbers / size
        self._run_ids = list(range(first, first + self._n))
        self._starts = (START_MS + numbers * SPACING_MS).tolist()
        self._users = self._choose([f"user-{i:02d}" for i in range(20)], np.arange(20, 0, -1) ** 2.0)
        self._names = self._choose([f"train-{i}" for i in range(300)], np.ones(300))

    def write(self, tx: Transaction) -> None:
        """Insert the runs and what is logged to them."""
        uuids = [self._rng.bytes(16).hex() for _ in self._run_ids]
        columns = zip(self._run_ids, uuids, self._names, self._users, self._starts, strict=True)
        runs.insert(tx, [(i, uuid, self._experiment, name, user, at) for i, uuid, name, user, at in columns])
        self._finish_runs(tx)
        attributes.insert_params(tx, self._rows(self._params()))
        attributes.set_tags(tx, self._rows(self._tags()))
        summaries.merge(tx, self._metrics())
        for run_id in self._run_ids[::50]:
            source = DatasetInput(f"data-{run_id % 7}", f"d{run_id % 3}", "local", "/data", None, None, [])
            datasets.link(tx, run_id, self._experiment, [source])

    def _finish_runs(self, tx: Transaction) -> None:
        names = [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED]
        states = self._choose(names, np.array([95, 4.9, 0.1]))
        lasted = self._rng.lognormal(12, 1.5, self._n).astype(int).tolist()
        rows = zip(self._run_ids, self._names, states, self._starts, lasted, strict=True)
        for run_id, name, state, start, took in rows:
            if run_id % 50_000 != 7:  # a few still run
                runs.save(tx, run_id, status=int(state), end_time=start + took, name=name)
            if run_id % 100 == 13:
                runs.set_lifecycle(tx, run_id, Lifecycle.DELETED, start + took)

    def _params(self) -> dict[str, Sequence[str]]:
        uniform = self._rng.random
        comments = [f"run {i} " + "as before " * (30 if i % 100 == 0 else 1) + str(i) for i in self._run_ids]
        return {
            "lr": [f"{v:.6g}" for v in 10 ** (-5 * uniform(self._n))],
            "batch_size": self._choose(["16", "32", "64", "128", "256", "512"], np.ones(6)),
            "optimizer": self._choose(["adam", "sgd", "rmsprop", "lion"], np.array([60, 30, 9.9, 0.1])),
            "model": self._choose([f"resnet-{i}" for i in range(50)], np.arange(50, 0, -1) ** 1.5),
            "seed": [str(v) for v in self._rng.integers(0, 1_000_000, self._n)],
            "epochs": ["10"] * self._n,
            "dropout": self._choose([str(i / 10) for i in range(10)], np.ones(10)),
            "data_version": [f"v{int(10 * age)}" for age in self._age],
            "commit": [self._rng.bytes(10).hex() for _ in self._run_ids],
            "comment": comments,
        }

    def _tags(self) -> dict[str, Sequence[str]]:
        return {
            "mlflow.runName": self._names,
            "mlflow.user": self._users,
            "mlflow.source.name": ["train.py"] * self._n,
            "team": self._choose(
                ["vision", "speech", "ads", "search", "lab"], np.array([50, 30, 15, 4.9, 0.1])
            ),
        }

    def _metrics(self) -> list[tuple[Any, ...]]:
        normal, n = self._rng.normal, self._n
        acc = np.clip(self._rng.beta(8, 3, n), 0, 1)
        columns = {
            "acc": acc,
            "loss": 1 - acc + normal(0, 1e-4, n),
            "val_acc": np.clip(acc - np.abs(normal(0, 0.05, n)), 0, 1),
            "val_loss": 1 - acc + np.abs(normal(0, 0.1, n)),
            "f1": self._rng.random(n),
            "epoch": np.full(n, 9.0),
            "seconds": self._rng.lognormal(6, 1, n),
            "gpu_mem": 2.0 ** self._rng.integers(0, 8, n),
            "drift": self._age + normal(0, 1e-3, n),
            "grad_norm": np.where(self._rng.random(n) < 0.1, np.nan, self._rng.lognormal(0, 1, n)),
        }
        values = {self._ids[key]: column.tolist() for key, column in columns.items()}
        ids = sorted(values)
        rows = []
        for i, run_id in enumerate(self._run_ids):
            stamps = [self._starts[i]] * len(ids)
            batch = PointBatch(
                run_id, ids, list(range(len(ids))), [9] * len(ids), stamps, [values[k][i] for k in ids]
            )
            rows += [
                summaries.merge_row(self._experiment, s, summary) for s, summary in engine.summarize(batch)
            ]
        return rows

    def _rows(self, columns: dict[str, Sequence[str]]) -> list[tuple[Any, ...]]:
        ordered = sorted((self._ids[key], values) for key, values in columns.items())
        return [
            (run_id, key, self._experiment, values[i])
            for i, run_id in enumerate(self._run_ids)
            for key, values in ordered
        ]

    def _choose(self, values: Sequence[Any], weights: np.ndarray[Any, Any]) -> list[Any]:
        picked = self._rng.choice(len(values), self._n, p=weights / weights.sum())
        return [values[i] for i in picked]


def _experiment(tx: Transaction, name: str) -> int:
    made = experiments.insert(tx, WORKSPACE, name, f"mlflow-artifacts:/{name}", START_MS)
    assert made is not None
    return made


@contextmanager
def transaction(dialect: Dialect, driver: Any) -> Iterator[Transaction]:
    """A transaction for writing, committed at the block's end."""
    dialect.begin(driver, readonly=False)
    tx = Transaction(dialect, driver)
    yield tx
    driver.execute("COMMIT")
    tx.committed()


@contextmanager
def _without_indexes(dialect: Dialect, driver: Any) -> Iterator[None]:
    indexes = [index for table in _TABLES for index in sorted(table.indexes, key=_name_of)]
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA cache_size=-262144")
    for index in indexes:
        driver.execute(str(DropIndex(index).compile(dialect=dialect.sqlalchemy)))
    yield
    for index in indexes:
        driver.execute(str(CreateIndex(index).compile(dialect=dialect.sqlalchemy)))


def _finish(dialect: Dialect, driver: Any) -> None:
    """What an idle server's database looks like: nothing waits in the log; PostgreSQL has statistics, and the
    next run gets the next id."""
    if dialect.name == "sqlite":
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        driver.execute("SELECT setval(pg_get_serial_sequence('run', 'id'), (SELECT max(id) FROM run))")
        driver.execute("VACUUM ANALYZE")


def _name_of(index: Index) -> str:
    return str(index.name)
