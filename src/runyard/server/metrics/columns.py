"""Points as arrays: the total order of a history, sorting, and the removal of exact duplicates."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.types import PointBatch, Points, Position

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MAX = np.int64(2**63 - 1)


@dataclass(slots=True, frozen=True, eq=False)
class Columns:
    """Points of one scope, in columns of equal length; `keys` says to which series each belongs."""

    keys: Ints
    timestamps: Ints
    steps: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Any) -> Columns:
        """The points that a mask, a slice or an array of positions chooses."""
        return Columns(self.keys[chosen], self.timestamps[chosen], self.steps[chosen], self.values[chosen])

    def points(self, chosen: Any) -> Points:
        """The same for points that are known to belong to one series."""
        return Points(self.timestamps[chosen], self.steps[chosen], self.values[chosen])


def no_points() -> Points:
    """An empty series."""
    return Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def no_columns() -> Columns:
    """No points of any series."""
    empty = np.empty(0, np.int64)
    return Columns(empty, empty, empty, np.empty(0, np.float64))


def take(points: Points, chosen: Any) -> Points:
    """The points that a mask, a slice or an array of positions chooses."""
    return Points(points.timestamps[chosen], points.steps[chosen], points.values[chosen])


def join(parts: Sequence[Points]) -> Points:
    """The points of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_points()
    return Points(
        np.concatenate([part.timestamps for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def join_columns(parts: Sequence[Columns]) -> Columns:
    """The points of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_columns()
    return Columns(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.timestamps for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def of_batch(batch: PointBatch) -> tuple[NDArray[Any], Ints, Ints, Floats]:
    """A batch's index, timestamps, steps and values as arrays, made once per batch."""
    if batch.arrays is None:
        index = _index_array(batch.index, len(batch.keys)) if batch.index is not None else None
        if index is None:
            index = np.zeros(len(batch), np.uint8)
        batch.arrays = (index, ints(batch.timestamps), ints(batch.steps), floats(batch.values))
    return batch.arrays  # type: ignore[no-any-return]


def _index_array(index: Sequence[int], keys: int) -> NDArray[Any]:
    if keys <= 1 << 8:
        return np.frombuffer(bytes(index), np.uint8)
    if keys <= 1 << 16:
        return np.frombuffer(array("H", index), np.uint16)
    return ints(index).astype(np.uint32)


def ints(values: Sequence[int]) -> Ints:
    """Integers as an array; `array` reads a list of Python integers sooner than numpy does."""
    return np.frombuffer(array("q", values), np.int64)


def floats(values: Sequence[float]) -> Floats:
    """Floats as an array."""
    return np.frombuffer(array("d", values), np.float64)


def rank_of(values: Floats) -> Ints:
    """Each value's place among all float64 as an integer.

    -inf < ... < -0.0 = 0.0 < NaN < ... < inf; all NaN are one. NaN stands where MLflow's databases put
    it, which store it as 0 and a flag.
    """
    bits = values.view(np.int64)
    rank = bits ^ ((bits >> 63) & _MAX)
    rank[rank == -1] = 0  # -0.0
    rank += rank > 0
    rank[np.isnan(values)] = 1
    return rank


def rank_of_one(value: float) -> int:
    """`rank_of` for one value."""
    return int(rank_of(np.array([value]))[0])


def sort_unique(points: Points) -> Points:
    """The points in the order of the history, each once."""
    if in_order(points):
        return points
    rank = rank_of(points.values)
    order = np.lexsort((rank, points.steps, points.timestamps))
    points, rank = take(points, order), rank[order]
    fresh = _differ(points.timestamps) | _differ(points.steps) | _differ(rank)
    return points if bool(fresh.all()) else take(points, fresh)


def in_order(points: Points) -> bool:
    """Whether the points ascend strictly in the order of the history."""
    if len(points) < 2:
        return True
    times, steps = points.timestamps, points.steps
    later = times[1:] > times[:-1]
    if later.all():
        return True
    tied = (times[1:] == times[:-1]) & ~later
    further = steps[1:] > steps[:-1]
    ascends = later | (tied & further)
    if ascends.all():
        return True
    rank = rank_of(points.values)
    ascends |= tied & (steps[1:] == steps[:-1]) & (rank[1:] > rank[:-1])
    return bool(ascends.all())


def _differ(column: Ints) -> NDArray[np.bool_]:
    fresh = np.ones(len(column), np.bool_)
    np.not_equal(column[1:], column[:-1], out=fresh[1:])
    return fresh


def position_at(points: Points, at: int) -> Position:
    """The position of one of the points; a negative index counts from the end."""
    return Position(int(points.timestamps[at]), int(points.steps[at]), rank_of_one(float(points.values[at])))


def count_upto(points: Points, position: Position) -> int:
    """How many of the ordered points stand at or before a position."""
    times = points.timestamps
    low = int(times.searchsorted(position.timestamp, "left"))
    high = int(times.searchsorted(position.timestamp, "right"))
    if low == high:
        return low
    steps = points.steps[low:high]
    low, high = (
        low + int(steps.searchsorted(position.step, "left")),
        low + int(steps.searchsorted(position.step, "right")),
    )
    return low + int(rank_of(points.values[low:high]).searchsorted(position.rank, "right"))
