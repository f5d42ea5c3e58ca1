"""The compactor with the summaries that the tracking slice keeps, while several processes write."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import select

from runyard.server.db import Database, Query, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.metrics import engine
from runyard.server.metrics.compaction import Compactor
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.types import PointBatch, Summary, series_id
from runyard.server.tracking.store import summaries
from runyard.server.tracking.tables import run_metric
from tests.contract.metrics.model import Model, as_list, same_points, same_summary

KEYS = [3, 4]
WRITERS, BATCHES = 3, 25

_ROWS = Query(
    select(
        run_metric.c.key_id,
        run_metric.c.stale,
        run_metric.c.count,
        run_metric.c.nan_count,
        run_metric.c["sum"],
        run_metric.c.min_value,
        run_metric.c.min_step,
        run_metric.c.max_value,
        run_metric.c.max_step,
        run_metric.c.first_step,
        run_metric.c.first_time,
        run_metric.c.first_value,
        run_metric.c.last_step,
        run_metric.c.last_time,
        run_metric.c.last_value,
    ).where(run_metric.c.run_id == 1)
)


@pytest.fixture
def processes(database: Database, database_url: str) -> Iterator[list[Database]]:
    """What several server processes would have: on PostgreSQL a writer each, on SQLite one writer."""
    if database.dialect.name == "sqlite":
        yield [database] * (WRITERS + 1)
        return
    others = [Database(open_dialect(database_url)) for _ in range(WRITERS)]
    for other in others:
        other.start()
    yield [database, *others]
    for other in others:
        other.close()


def log_batch(tx: Transaction, batch: PointBatch) -> None:
    """What the tracking slice does with a batch."""
    engine.append(tx, [batch])
    summaries.merge(
        tx, [summaries.merge_row(1, series, summary) for series, summary in engine.summarize(batch)]
    )


def batches_of(writer: int) -> list[PointBatch]:
    """Batches of two keys, that overlap those of the other writers and repeat some of them."""
    random = np.random.default_rng(writer)
    found = []
    for at in range(BATCHES):
        steps = (at * 10 + random.integers(0, 25, 12)).tolist()
        index = random.integers(0, 2, 12).tolist()
        values = [step / 2 for step in steps]
        found.append(PointBatch(1, KEYS, index, steps, [1_000 + step for step in steps], values))
    return found


def test_counts_are_exact_after_any_race(processes: list[Database]) -> None:
    # Given writers that write the same series at once, while a compactor folds them
    model = Model()
    for writer in range(WRITERS):
        model.append(batches_of(writer))
    compactor = Compactor(
        processes[0],
        summaries.SummaryRows(),
        holder="here",
        limits=Limits(chunk=32, pack=40, pack_per_key=0, fold=100, rewrite=3),
    )
    errors: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for batch in batches_of(writer):
                processes[1 + writer].write_from_thread(lambda tx, batch=batch: log_batch(tx, batch))  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    # When all is done and folded
    while any(thread.is_alive() for thread in threads):
        compactor.fold_scope(1)
    compactor.fold_scope(1)
    # Then nothing is lost, doubled or stale
    assert not errors
    rows = processes[0].read_here(lambda connection: connection.rows(_ROWS))
    assert sorted(row[0] for row in rows) == KEYS
    for key, stale, *numbers in rows:
        series = series_id(1, key)
        page = processes[0].read_here(
            lambda connection, series=series: engine.history(connection, series, after=None, limit=10_000)  # type: ignore[misc]
        )
        assert same_points(as_list(page.points), model.history(series))
        assert same_summary(Summary(*numbers), model.summary(series))
        assert not stale
