"""`summary.summarize` for big batches, in array operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Columns, Floats, Ints, of_batch, rank_of, starts_of
from runyard.server.metrics.grouping import least_steps, reduce_groups
from runyard.server.metrics.types import PointBatch, Points, SeriesId, Summary, series_id


def summarize_bulk(batch: PointBatch) -> list[tuple[SeriesId, Summary]]:
    """The summary of each series in a batch, in ascending order of the series."""
    index, times, steps, values = of_batch(batch)
    order = np.argsort(index, kind="stable")
    index, steps = index[order], steps[order]
    if _ascends(index, steps):
        times, values = times[order], values[order]
    else:
        index, times, steps, values = _sorted_unique(*of_batch(batch))
    starts = starts_of(index)
    keys, scope = batch.keys, batch.scope
    found = [
        (series_id(scope, keys[at]), summary)
        for at, summary in zip(
            index[starts].tolist(), summaries_of(starts, times, steps, values), strict=True
        )
    ]
    found.sort(key=_series)
    return found


def summarize_columns(scope: int, columns: Columns) -> list[tuple[SeriesId, Summary]]:
    """The summary of each series among points of a scope; exact duplicates count once."""
    keys, times, steps, values = _sorted_unique(
        columns.keys, columns.timestamps, columns.steps, columns.values
    )
    starts = starts_of(keys)
    summaries = summaries_of(starts, times, steps, values)
    return [
        (series_id(scope, key), summary)
        for key, summary in zip(keys[starts].tolist(), summaries, strict=True)
    ]


def summarize_points(points: Points) -> Summary:
    """The summary of points of one series, at least one; exact duplicates count once."""
    index = np.zeros(len(points), np.uint8)
    _, times, steps, values = _sorted_unique(index, points.timestamps, points.steps, points.values)
    return summaries_of(np.zeros(1, np.int64), times, steps, values)[0]


def summaries_of(starts: NDArray[Any], times: Ints, steps: Ints, values: Floats) -> list[Summary]:
    """The summaries of groups of points that lie one after the other.

    Args:
        starts: where each group starts; the first is 0, and no group is empty.
        times: the points' timestamps; in each group the points ascend by (step, timestamp, value) and
            none is repeated.
        steps: the points' steps.
        values: the points' values.
    """
    groups = reduce_groups(starts, values)
    ends = groups.ends
    columns = (
        groups.n.tolist(),
        groups.nans.tolist(),
        groups.sum.tolist(),
        groups.low.tolist(),
        least_steps(groups.low, groups, steps, values).tolist(),
        groups.high.tolist(),
        least_steps(groups.high, groups, steps, values).tolist(),
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
    fresh = starts_of(index, steps, times, rank)
    return index[fresh], times[fresh], steps[fresh], values[fresh]
