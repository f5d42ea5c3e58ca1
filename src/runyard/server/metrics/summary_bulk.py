"""`summary.summarize` for big batches, in array operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints, of_batch, rank_of
from runyard.server.metrics.types import PointBatch, SeriesId, Summary, series_id


def summarize_bulk(batch: PointBatch) -> list[tuple[SeriesId, Summary]]:
    """The summary of each series in a batch, in ascending order of the series."""
    index, times, steps, values = of_batch(batch)
    order = np.argsort(index, kind="stable")
    index, steps = index[order], steps[order]
    if not _ascends(index, steps):
        index, times, steps, values = _sorted_unique(*of_batch(batch))
    else:
        times, values = times[order], values[order]
    starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    summaries = summarize_groups(starts, times, steps, values)
    keys, scope = batch.keys, batch.scope
    found = [
        (series_id(scope, keys[at]), summary)
        for at, summary in zip(index[starts].tolist(), summaries, strict=True)
    ]
    found.sort(key=_series)
    return found


def summarize_groups(starts: NDArray[Any], times: Ints, steps: Ints, values: Floats) -> list[Summary]:
    """The summaries of groups of points that lie one after the other.

    Args:
        starts: where each group starts; the first is 0, and no group is empty.
        times: the points' timestamps; in each group the points ascend by (step, timestamp, value) and
            none is repeated.
        steps: the points' steps.
        values: the points' values.
    """
    ends = np.append(starts[1:], len(values)) - 1
    nan = np.isnan(values)
    counts = ends - starts + 1
    if nan.any():
        nans, numbers = np.add.reduceat(nan, starts, dtype=np.int64), np.where(nan, 0.0, values)
    else:
        nans, numbers = np.zeros(len(starts), np.int64), values
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.add.reduceat(numbers, starts)
    lows, highs = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    columns = (
        counts.tolist(),
        nans.tolist(),
        sums.tolist(),
        lows.tolist(),
        _steps_of(lows, starts, counts, steps, values),
        highs.tolist(),
        _steps_of(highs, starts, counts, steps, values),
        steps[starts].tolist(),
        times[starts].tolist(),
        values[starts].tolist(),
        steps[ends].tolist(),
        times[ends].tolist(),
        values[ends].tolist(),
    )
    return [
        row if row.n != row.nan_count else row._replace(min=None, min_step=None, max=None, max_step=None)
        for row in map(Summary._make, zip(*columns, strict=True))
    ]


def _series(item: tuple[SeriesId, Summary]) -> int:
    return item[0]


def _ascends(index: NDArray[Any], steps: Ints) -> bool:
    """Whether steps ascend strictly within each group: then nothing is out of order or repeated."""
    return bool(((steps[1:] > steps[:-1]) | (index[1:] != index[:-1])).all())


def _sorted_unique(
    index: NDArray[Any], times: Ints, steps: Ints, values: Floats
) -> tuple[NDArray[Any], Ints, Ints, Floats]:
    rank = rank_of(values)
    order = np.lexsort((rank, times, steps, index))
    index, rank = index[order], rank[order]
    times, steps, values = times[order], steps[order], values[order]
    fresh = np.ones(len(index), np.bool_)
    fresh[1:] = (
        (index[1:] != index[:-1])
        | (steps[1:] != steps[:-1])
        | (times[1:] != times[:-1])
        | (rank[1:] != rank[:-1])
    )
    return index[fresh], times[fresh], steps[fresh], values[fresh]


def _steps_of(extremes: Floats, starts: Ints, counts: Ints, steps: Ints, values: Floats) -> list[int]:
    """The least step at which each group takes its extreme; anything for groups of NaN alone."""
    hits = np.flatnonzero(values == np.repeat(extremes, counts))
    if not len(hits):
        return [0] * len(starts)
    first = hits.searchsorted(starts)
    return steps[hits[np.minimum(first, len(hits) - 1)]].tolist()  # type: ignore[no-any-return]
