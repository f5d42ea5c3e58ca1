"""Reducing points and sketches to at most so many buckets along an axis. Pure.

Buckets lie between stored units: a unit that spans less than a bucket goes whole to the bucket in which
it starts, so edges move by less than a bucket's width and every number is exact for the points that a
bucket counts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints, rank_of, starts_of, take
from runyard.server.metrics.grouping import reduce_groups
from runyard.server.metrics.sketch import Sketches
from runyard.server.metrics.types import Buckets, Points

Along = Literal["step", "time"]
"""What points are ordered by: (step, timestamp, value) or (timestamp, step, value)."""


@dataclass(slots=True, frozen=True, eq=False)
class Pieces:
    """Sets of points that have no point in common, one entry per set.

    Attributes:
        x, x_last: the coordinates of the set's first and last point.
        n, nan_count, sum, min, max: of the set; `min` and `max` are NaN where all values are.
        first, last: the values of the first and the last point.
        first_tie, last_tie: their other coordinates, which order points of equal coordinates.
    """

    x: Ints
    x_last: Ints
    n: Ints
    nan_count: Ints
    sum: Floats
    min: Floats
    max: Floats
    first: Floats
    last: Floats
    first_tie: Ints
    last_tie: Ints

    def __len__(self) -> int:
        return len(self.n)

    def take(self, chosen: Any) -> Pieces:
        """The entries that a mask or an array of positions chooses."""
        return Pieces(*[getattr(self, name)[chosen] for name in _COLUMNS])


_COLUMNS = tuple(field.name for field in fields(Pieces))


def pieces_of_sketches(sketches: Sketches, along: Along) -> Pieces:
    """Each unit as a piece."""
    s = sketches
    if along == "step":
        ends = (s.min_step, s.max_step), (s.step_first, s.step_last), (s.step_first_time, s.step_last_time)
    else:
        ends = (s.min_time, s.max_time), (s.first, s.last), (s.first_step, s.last_step)
    (x, x_last), (first, last), (first_tie, last_tie) = ends
    return Pieces(
        x,
        x_last,
        s.n.astype(np.int64),
        s.nans.astype(np.int64),
        s.sum,
        s.low,
        s.high,
        first,
        last,
        first_tie,
        last_tie,
    )


def in_axis_order(points: Points, along: Along) -> Points:
    """Points that stand in the order of the history, in the order of an axis."""
    if along == "time" or bool((points.steps[1:] >= points.steps[:-1]).all()):
        return points
    return take(points, np.lexsort((rank_of(points.values), points.timestamps, points.steps)))


def coordinates(points: Points, along: Along) -> Ints:
    """The points' places on an axis."""
    return points.steps if along == "step" else points.timestamps


def exactly(points: Points, along: Along) -> Buckets:
    """Each point as a bucket. The points stand in the order of the axis."""
    x = coordinates(points, along)
    nan = np.isnan(points.values)
    values = points.values
    return Buckets(
        x, x, np.ones(len(points), np.int64), nan.astype(np.int64), values, values, values, values, values
    )


def downsample(points: Points, sketched: Pieces, along: Along, low: int, high: int, buckets: int) -> Buckets:
    """At most `buckets` buckets between two coordinates; empty ones are left out.

    Args:
        points: single points in the order of the axis.
        sketched: further sets of points, in any order.
        along: the axis.
        low: where the first bucket starts.
        high: where the last bucket ends, at or after `low`.
        buckets: at least 1.
    """
    grid = _Grid(low, high, buckets)
    pieces = _pieces_of_points(points, along, grid)
    if len(sketched):
        pieces = _joined(pieces, sketched) if len(pieces) else sketched
        if not bool((pieces.x[1:] >= pieces.x[:-1]).all()):
            pieces = pieces.take(np.argsort(pieces.x, kind="stable"))
    if not len(pieces):
        return exactly(points, along)
    return _reduce(pieces, grid.cells(pieces.x))


class _Grid:
    def __init__(self, low: int, high: int, buckets: int) -> None:
        self._low = float(low)
        self._scale = buckets / (high - low) if high > low else 0.0
        self._last = buckets - 1

    def cells(self, x: Ints) -> Ints:
        """The bucket of each coordinate; those outside go to the outermost buckets."""
        cells = ((x.astype(np.float64) - self._low) * self._scale).astype(np.int64)
        return np.minimum(np.maximum(cells, 0), self._last)


def _pieces_of_points(points: Points, along: Along, grid: _Grid) -> Pieces:
    if not len(points):
        none, no_values = np.empty(0, np.int64), np.empty(0, np.float64)
        return Pieces(
            none, none, none, none, no_values, no_values, no_values, no_values, no_values, none, none
        )
    x = coordinates(points, along)
    tie = points.timestamps if along == "step" else points.steps
    groups = reduce_groups(starts_of(grid.cells(x)), points.values)
    starts, ends = groups.starts, groups.ends
    return Pieces(
        x[starts],
        x[ends],
        groups.n,
        groups.nans,
        groups.sum,
        groups.low,
        groups.high,
        points.values[starts],
        points.values[ends],
        tie[starts],
        tie[ends],
    )


def _joined(one: Pieces, other: Pieces) -> Pieces:
    return Pieces(*[np.concatenate((getattr(one, name), getattr(other, name))) for name in _COLUMNS])


def _reduce(pieces: Pieces, cells: NDArray[np.int64]) -> Buckets:
    """Merge the pieces of each cell. They stand in the order of their first coordinates."""
    starts = starts_of(cells)
    ends = np.append(starts[1:], len(cells)) - 1
    firsts, lasts = starts, ends
    if not bool((pieces.x[1:] > pieces.x_last[:-1]).all()):
        # They overlap, as where steps went back: what comes first is not where the first piece starts.
        firsts = np.lexsort((rank_of(pieces.first), pieces.first_tie, pieces.x, cells))[starts]
        lasts = np.lexsort((rank_of(pieces.last), pieces.last_tie, pieces.x_last, cells))[ends]
    n, nans = np.add.reduceat(pieces.n, starts), np.add.reduceat(pieces.nan_count, starts)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        mean = np.add.reduceat(pieces.sum, starts) / (n - nans)
    return Buckets(
        pieces.x[firsts],
        pieces.x_last[lasts],
        n,
        nans,
        np.fmin.reduceat(pieces.min, starts),
        np.fmax.reduceat(pieces.max, starts),
        pieces.first[firsts],
        pieces.last[lasts],
        mean,
    )
