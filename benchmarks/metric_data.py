"""Makes metrics as the server would have written them, without HTTP.

`log_series` goes through the services, the log and the compactor; `write_series` writes what compaction
leaves, which is as fast as the disk.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from runyard.server.auth import LOCAL
from runyard.server.db import Database, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.metrics.bulk_load import Image, encode_image, write_image
from runyard.server.metrics.chunk import cut, insert_chunks
from runyard.server.metrics.columns import Columns
from runyard.server.metrics.compaction import Compactor
from runyard.server.metrics.summary import combine
from runyard.server.metrics.summary_bulk import summarize_points
from runyard.server.metrics.types import Points, SeriesId, Summary, series_id
from runyard.server.tracking.service import Keys, RunLog, Runs, SummaryRows, WorkspaceContents
from runyard.server.tracking.store import runs as run_store
from runyard.server.tracking.store import summaries
from runyard.server.tracking.types import MetricPoints, RunBatch
from runyard.server.workspaces.service import Directory, Room, Usage, Workspaces

BATCH = 1_000
EPOCH_MS = 1_700_000_000_000
_SLICE = 128 * 8_192  # points of a long series that are in memory at once


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """A SQLite database with the current schema, new if it isn't there."""
    dialect = open_dialect(f"sqlite:///{path}")
    upgrade(dialect)
    database = Database(dialect)
    database.start()
    try:
        yield database
    finally:
        database.close()


def noisy(rng: np.random.Generator, n: int, first: int = 0) -> Points:
    """A curve that falls with full float64 noise, a step every 100 ms or so: `n` points from step `first`."""
    steps = np.arange(first, first + n, dtype=np.int64)
    values = np.exp(-steps / 20_000) + 0.05 * rng.standard_normal(n)
    times = EPOCH_MS + 100 * steps + rng.integers(0, 40, n)
    return Points(times, steps, values)


def log_series(path: Path, *, runs: int, keys: int, length: int) -> None:
    """Log to new runs as clients do, `BATCH` points a request, and fold everything."""
    with opened(path) as database:
        compactor = Compactor(database, SummaryRows(), holder="benchmark")
        compactor.start()
        try:
            asyncio.run(_log(database, runs, keys, length))
        finally:
            compactor.stop()
        tidy = Compactor(database, SummaryRows(), holder="benchmark")
        tidy.fold_all()
        tidy.shrink()


async def _log(database: Database, runs: int, keys: int, length: int) -> None:
    names = Keys()
    usage = Usage(database)
    room = Room(database, Directory(), usage)
    run_service, log = Runs(database, names, room), RunLog(database, names, room)
    await Workspaces(database, WorkspaceContents(), usage, lambda: None).ensure_default()
    made = [
        await run_service.create(
            LOCAL, experiment_id=0, name=f"run-{i}", user_id="ada", start_time=EPOCH_MS, tags=[]
        )
        for i in range(runs)
    ]
    rngs = [np.random.default_rng(i) for i in range(runs)]
    per_batch = BATCH // keys
    for first in range(0, length, per_batch):
        count = min(per_batch, length - first)
        batches = [_batch(rng, keys, first, count) for rng in rngs]
        await asyncio.gather(
            *(
                log.log(LOCAL, RunBatch(run.info.uuid, points, [], []))
                for run, points in zip(made, batches, strict=True)
            )
        )


def _batch(rng: np.random.Generator, keys: int, first: int, count: int) -> MetricPoints:
    """The next steps of every key, as a training loop logs them: step by step."""
    each = [noisy(rng, count, first) for _ in range(keys)]
    times, steps = each[0].timestamps, each[0].steps
    values = np.column_stack([points.values for points in each])
    return MetricPoints(
        [f"metric_{key:02d}" for key in range(keys)],
        list(range(keys)) * count,
        array("d", values.tobytes()),
        array("q", times.repeat(keys).tobytes()),
        array("q", steps.repeat(keys).tobytes()),
    )


def write_series(path: Path, runs: Sequence[str], keys: Sequence[str], length: int) -> int:
    """Give runs, which exist and are empty, `length` points of each key; returns how many that were."""
    with opened(path) as database:
        found, ids = _interned(database, runs, keys)
        images = [_image(seed, ids, length) for seed in range(min(4, len(runs)))]
        for at, run in enumerate(runs):
            _write(database, images[at % len(images)], *found[run])
    return len(runs) * len(keys) * length


def write_long_series(path: Path, run: str, key: str, length: int) -> int:
    """Give a run, which exists and is empty, one series of `length` points; returns their number."""
    with opened(path) as database:
        found, (key_id,) = _interned(database, [run], [key])
        scope, experiment = found[run]
        series = series_id(scope, key_id)
        rng = np.random.default_rng(7)
        parts: list[Summary] = []
        for first in range(0, length, _SLICE):
            points = noisy(rng, min(_SLICE, length - first), first)
            parts.append(summarize_points(points))
            chunks = cut(series, points)
            for start in range(0, len(chunks), 64):
                some = chunks[start : start + 64]
                database.write_from_thread(lambda tx, some=some: insert_chunks(tx, some))  # type: ignore[misc]
        whole = combine(parts)
        assert whole is not None
        row = summaries.merge_row(experiment, series, whole)
        database.write_from_thread(lambda tx: summaries.merge(tx, [row]))
    return length


def _interned(
    database: Database, runs: Sequence[str], keys: Sequence[str]
) -> tuple[dict[str, tuple[int, int]], list[int]]:
    """Each run's id and experiment, and the keys' ids."""
    found = database.read_here(lambda connection: run_store.find_ids(connection, runs))
    ids = database.write_from_thread(lambda tx: Keys().intern(tx, keys))
    return {run: (row[0], row[1]) for run, row in found.items()}, [ids[key] for key in keys]


def _image(seed: int, keys: Sequence[int], length: int) -> Image:
    rng = np.random.default_rng(seed)
    each = [noisy(rng, length) for _ in keys]
    return encode_image(
        Columns(
            np.repeat(np.array(keys, np.int64), length),
            np.concatenate([points.timestamps for points in each]),
            np.concatenate([points.steps for points in each]),
            np.concatenate([points.values for points in each]),
        )
    )


def _write(database: Database, image: Image, scope: int, experiment: int) -> None:
    def write(tx: Transaction) -> None:
        found: list[tuple[SeriesId, Summary]] = write_image(tx, image, [scope])
        summaries.merge(tx, [summaries.merge_row(experiment, series, one) for series, one in found])

    database.write_from_thread(write)
