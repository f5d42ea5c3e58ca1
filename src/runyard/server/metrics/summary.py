"""Summaries of series: made from a batch, merged into what is stored. Pure.

Merging is idempotent for first, last, min and max: a repeated batch changes nothing. Counts and sums
can't be, so they take only batches that come wholly after everything stored; any other batch leaves the
summary stale, and the compactor counts anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

from runyard.server.metrics.types import PointBatch, SeriesId, Summary, series_id

# Up to here a loop beats the fixed cost of array operations.
SMALL = 48


def summarize(batch: PointBatch) -> list[tuple[SeriesId, Summary]]:
    """The summary of each series in a batch, in ascending order of the series.

    Exact duplicates within the batch count once.
    """
    n = len(batch.values)
    if n == 1:
        series = series_id(batch.scope, batch.keys[batch.index[0] if batch.index else 0])
        return [(series, _of_one(batch.steps[0], batch.timestamps[0], batch.values[0]))]
    if n > SMALL:
        # numpy waits for the first big batch.
        from runyard.server.metrics.summary_bulk import summarize_bulk

        return summarize_bulk(batch)
    return _summarize_small(batch)


def merge(stored: Summary, new: Summary) -> tuple[Summary, bool]:
    """The stored summary with new points merged in, and whether it is stale.

    When it is stale its first, last, min and max hold, and n, nan_count and sum are only those of the
    stored one.
    """
    stale = first_place(new) <= last_place(stored)
    n, nan_count, total = stored.n, stored.nan_count, stored.sum
    if not stale:
        n, nan_count, total = n + new.n, nan_count + new.nan_count, total + new.sum
    low = new if _is_lower(new, stored) else stored
    high = new if _is_higher(new, stored) else stored
    first = new if first_place(new) < first_place(stored) else stored
    last = new if last_place(new) > last_place(stored) else stored
    merged = Summary(
        n,
        nan_count,
        total,
        low.min,
        low.min_step,
        high.max,
        high.max_step,
        first.first_step,
        first.first_timestamp,
        first.first_value,
        last.last_step,
        last.last_timestamp,
        last.last_value,
    )
    return merged, stale


def combine(parts: Iterable[Summary]) -> Summary | None:
    """The summary of several sets of points that have no point in common; None for no set."""
    whole: Summary | None = None
    for part in parts:
        if whole is None:
            whole = part
            continue
        merged, _ = merge(whole, part)
        whole = merged._replace(
            n=whole.n + part.n, nan_count=whole.nan_count + part.nan_count, sum=whole.sum + part.sum
        )
    return whole


Place = tuple[int, int, float, bool]


def place(step: int, timestamp: int, value: float) -> Place:
    """What MLflow orders points by when it looks for the latest: NaN counts as 0."""
    return (step, timestamp, 0.0, True) if isnan(value) else (step, timestamp, value, False)


def first_place(summary: Summary) -> Place:
    """The place of a summary's first point."""
    return place(summary.first_step, summary.first_timestamp, summary.first_value)


def last_place(summary: Summary) -> Place:
    """The place of a summary's last point."""
    return place(summary.last_step, summary.last_timestamp, summary.last_value)


def _is_lower(new: Summary, stored: Summary) -> bool:
    if new.min is None or new.min_step is None:
        return False
    if stored.min is None or stored.min_step is None:
        return True
    return (new.min, new.min_step) < (stored.min, stored.min_step)


def _is_higher(new: Summary, stored: Summary) -> bool:
    if new.max is None or new.max_step is None:
        return False
    if stored.max is None or stored.max_step is None:
        return True
    return (new.max, -new.max_step) > (stored.max, -stored.max_step)


def _of_one(step: int, timestamp: int, value: float) -> Summary:
    if isnan(value):
        return Summary(1, 1, 0.0, None, None, None, None, step, timestamp, value, step, timestamp, value)
    return Summary(1, 0, value, value, step, value, step, step, timestamp, value, step, timestamp, value)


_Point = tuple[int, int, float]


def _summarize_small(batch: PointBatch) -> list[tuple[SeriesId, Summary]]:
    points = zip(batch.steps, batch.timestamps, batch.values, strict=True)
    if batch.index is None:
        return [(series_id(batch.scope, batch.keys[0]), _of_points(list(points)))]
    groups: dict[int, list[_Point]] = {}
    for at, point in zip(batch.index, points, strict=True):
        group = groups.get(at)
        if group is None:
            groups[at] = [point]
        else:
            group.append(point)
    found = [(series_id(batch.scope, batch.keys[at]), _of_points(group)) for at, group in groups.items()]
    found.sort()
    return found


def _of_points(points: list[_Point]) -> Summary:
    if len(points) == 1:
        return _of_one(*points[0])
    if not _strictly_increasing(points):
        points = _sorted_unique(points)
    numbers = [(value, step) for step, _, value in points if not isnan(value)]
    low, low_step = min(numbers) if numbers else (None, None)
    high, high_step = max(numbers, key=_highest) if numbers else (None, None)
    total = sum((value for value, _ in numbers), 0.0)
    n, nan_count = len(points), len(points) - len(numbers)
    return Summary(n, nan_count, total, low, low_step, high, high_step, *points[0], *points[-1])


def _highest(number: tuple[float, int]) -> tuple[float, int]:
    value, step = number
    return value, -step


def _strictly_increasing(points: list[_Point]) -> bool:
    previous = points[0][0]
    for step, _, _ in points[1:]:
        if step <= previous:
            return False
        previous = step
    return True


def _sorted_unique(points: list[_Point]) -> list[_Point]:
    by_place = {place(*point): point for point in points}
    return [by_place[at] for at in sorted(by_place)]
