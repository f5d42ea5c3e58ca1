"""Points as arrays: the total order of a history, sorting, and the removal of exact duplicates."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    """Integers as an array; `array` reads a list of Python integers sooner than numpy does.

    An array is taken as it is, so it must be one of signed 64-bit integers.
    """
    return np.frombuffer(values if isinstance(values, array) else array("q", values), np.int64)


def floats(values: Sequence[float]) -> Floats:
    """Floats as an array; an array of float64 is taken as it is."""
    return np.frombuffer(values if isinstance(values, array) else array("d", values), np.float64)


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
    if _ascends(points.timestamps, points.steps, points.values, None):
        return points
    rank = rank_of(points.values)
    order = np.lexsort((rank, points.steps, points.timestamps))
    points = take(points, order)
    fresh = starts_of(points.timestamps, points.steps, rank[order])
    return points if len(fresh) == len(points) else take(points, fresh)


def sort_unique_columns(columns: Columns) -> Columns:
    """The points in the order (key, timestamp, step, value), each once."""
    if not len(columns):
        return columns
    columns = columns.take(_order_of_keys(columns.keys))
    starts = columns.keys[1:] != columns.keys[:-1]
    if _ascends(columns.timestamps, columns.steps, columns.values, starts):
        return columns
    rank = rank_of(columns.values)
    order = np.lexsort((rank, columns.steps, columns.timestamps, columns.keys))
    columns = columns.take(order)
    fresh = starts_of(columns.keys, columns.timestamps, columns.steps, rank[order])
    return columns if len(fresh) == len(columns) else columns.take(fresh)


def position_at(points: Points, at: int) -> Position:
    """The position of one of the points; a negative index counts from the end."""
    return Position(int(points.timestamps[at]), int(points.steps[at]), rank_of_one(float(points.values[at])))


def count_upto(points: Points, position: Position) -> int:
    """How many of the ordered points stand at or before a position."""
    return _count(points, position, "right")


def count_before(points: Points, position: Position) -> int:
    """How many of the ordered points stand before a position."""
    return _count(points, position, "left")


def _count(points: Points, position: Position, side: Literal["left", "right"]) -> int:
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
    return low + int(rank_of(points.values[low:high]).searchsorted(position.rank, side))


def _ascends(times: Ints, steps: Ints, values: Floats, starts: NDArray[np.bool_] | None) -> bool:
    """Whether points ascend strictly by (timestamp, step, value); they may fall where `starts` is set."""
    later = times[1:] > times[:-1]
    if starts is not None:
        later |= starts
    if later.all():
        return True
    tied = times[1:] == times[:-1]
    later |= tied & (steps[1:] > steps[:-1])
    if later.all():
        return True
    rank = rank_of(values)
    later |= tied & (steps[1:] == steps[:-1]) & (rank[1:] > rank[:-1])
    return bool(later.all())


def _order_of_keys(keys: Ints) -> NDArray[Any]:
    """What sorts by key and keeps the order within a key; numpy sorts 16-bit numbers much faster."""
    least = int(keys.min())
    if int(keys.max()) - least < 1 << 16:
        return np.argsort((keys - least).astype(np.uint16), kind="stable")
    return np.argsort(keys, kind="stable")


def starts_of(*columns: NDArray[Any]) -> Ints:
    """Where runs of equal entries start in columns of equal length (at least 1)."""
    changes = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        changes |= column[1:] != column[:-1]
    return np.flatnonzero(np.concatenate(([True], changes)))
