"""What the engine must be equal to: sets of points, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from runyard.server.db import Connection, Transaction
from runyard.server.metrics import engine
from runyard.server.metrics.summary import merge, place
from runyard.server.metrics.types import (
    PointBatch,
    Points,
    SeriesId,
    Summary,
    scope_of,
    series_id,
)

Point = tuple[int, int, float]
"""Timestamp, step, value."""


def identity(point: Point) -> tuple[int, int, float, bool]:
    """Two points are the same when this is; it is also the order of the history."""
    timestamp, step, value = point
    return (timestamp, step, 0.0, True) if math.isnan(value) else (timestamp, step, value, False)


class Model:
    """All points of all series."""

    def __init__(self) -> None:
        self._series: dict[SeriesId, dict[tuple[int, int, float, bool], Point]] = {}

    def append(self, batches: Iterable[PointBatch]) -> None:
        """Add the points of some batches."""
        for batch in batches:
            index = batch.index or [0] * len(batch)
            for at, step, timestamp, value in zip(
                index, batch.steps, batch.timestamps, batch.values, strict=True
            ):
                point = (timestamp, step, value)
                series = series_id(batch.scope, batch.keys[at])
                self._series.setdefault(series, {}).setdefault(identity(point), point)

    def delete(self, scope: int) -> None:
        """Forget a scope."""
        self._series = {one: points for one, points in self._series.items() if scope_of(one) != scope}

    def series(self) -> list[SeriesId]:
        """Every series that has points."""
        return sorted(self._series)

    def history(self, series: SeriesId) -> list[Point]:
        """The points of a series in the order of its history."""
        points = self._series.get(series, {})
        return [points[at] for at in sorted(points)]

    def summary(self, series: SeriesId) -> Summary:
        """The summary of a series."""
        return summary_of(self.history(series))


def summary_of(points: Sequence[Point]) -> Summary:
    """The summary of distinct points, at least one, by the definition."""
    by_step = sorted(points, key=lambda point: place(point[1], point[0], point[2]))
    numbers = [(value, step) for _, step, value in by_step if not math.isnan(value)]
    low = min((value for value, _ in numbers), default=None)
    high = max((value for value, _ in numbers), default=None)
    (first_time, first_step, first), (last_time, last_step, last) = by_step[0], by_step[-1]
    return Summary(
        len(points),
        len(points) - len(numbers),
        sum((value for value, _ in numbers), 0.0),
        low,
        min((step for value, step in numbers if value == low), default=None),
        high,
        min((step for value, step in numbers if value == high), default=None),
        first_step,
        first_time,
        first,
        last_step,
        last_time,
        last,
    )


def same_number(one: float | None, other: float | None) -> bool:
    """Equality in which NaN equals itself and sums may be rounded in another order."""
    if one is None or other is None:
        return one is other
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def same_summary(one: Summary, other: Summary) -> bool:
    """Equality of summaries, with sums up to rounding where they are finite."""
    pairs = list(zip(one._replace(sum=0.0), other._replace(sum=0.0), strict=True))
    exact = all(a == b or (a is not None and b is not None and a != a and b != b) for a, b in pairs)  # noqa: PLR0124
    sums_are_defined = math.isfinite(one.sum) and math.isfinite(other.sum)
    return exact and (not sums_are_defined or same_number(one.sum, other.sum))


def as_list(points: Points) -> list[Point]:
    """Columns as tuples."""
    return list(zip(points.timestamps.tolist(), points.steps.tolist(), points.values.tolist(), strict=True))


def same_points(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Equality of histories."""
    return list(map(identity, one)) == list(map(identity, other))


class MemoryKeeper:
    """Summaries in memory, for one process that writes."""

    def __init__(self) -> None:
        self.stored: dict[SeriesId, tuple[Summary, bool]] = {}

    def append(self, tx: Transaction, batches: Sequence[PointBatch]) -> None:
        """What the slice above does with a group of batches."""
        engine.append(tx, batches)
        for batch in batches:
            if not len(batch):
                continue
            for series, summary in engine.summarize(batch):
                if series not in self.stored:
                    self.stored[series] = (summary, False)
                    continue
                old, marked = self.stored[series]
                merged, stale = merge(old, summary)
                self.stored[series] = (merged, marked or stale)

    def delete(self, scope: int) -> None:
        """Forget a scope."""
        self.stored = {one: entry for one, entry in self.stored.items() if scope_of(one) != scope}

    def stale(self, connection: Connection, scope: int) -> list[SeriesId]:
        """The marked series of a scope."""
        del connection
        return sorted(
            series for series, (_, stale) in self.stored.items() if stale and scope_of(series) == scope
        )

    def lock(self, tx: Transaction, series: Sequence[SeriesId]) -> None:
        """Nobody else writes."""

    def store(self, tx: Transaction, summaries: Sequence[tuple[SeriesId, Summary, bool]]) -> None:
        """Replace summaries."""
        del tx
        for series, summary, stale in summaries:
            if series in self.stored:
                self.stored[series] = (summary, stale)
