"""The values that the engine takes and gives. Nothing here needs numpy at run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runyard.server.db import Connection, Transaction

SeriesId = NewType("SeriesId", int)
"""A series: `scope << 32 | key`, a signed 64-bit integer. See `series_id`."""

_KEY_BITS = 32
MAX_KEY = (1 << _KEY_BITS) - 1


def series_id(scope: int, key: int) -> SeriesId:
    """The series of a key in a scope.

    Args:
        scope: clusters series that are written and read together; 0 <= scope < 2**31.
        key: an interned name; 0 <= key < 2**32.
    """
    return SeriesId(scope << _KEY_BITS | key)


def scope_of(series: SeriesId) -> int:
    """The scope that a series belongs to."""
    return series >> _KEY_BITS


def key_of(series: SeriesId) -> int:
    """The interned key of a series."""
    return series & MAX_KEY


@dataclass(slots=True, eq=False)
class PointBatch:
    """Points of one scope, in columns, as one request brought them. Treat it as immutable.

    Attributes:
        scope: the scope of all points.
        keys: the distinct keys of the points.
        index: per point, the position of its key in `keys`; None when there is one key only.
        steps: signed 64-bit integers.
        timestamps: milliseconds since the Unix epoch, signed 64-bit.
        values: any float64, NaN and infinities included.

    Steps and timestamps as `array("q")` and values as `array("d")` are taken as they are; lists cost a
    conversion.
    """

    scope: int
    keys: Sequence[int]
    index: Sequence[int] | None
    steps: Sequence[int]
    timestamps: Sequence[int]
    values: Sequence[float]
    # The same columns as arrays, made once by whoever needs them first (see `columns.of_batch`).
    arrays: Any = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.values)


class Position(NamedTuple):
    """A place in a series' history, which is ordered by (timestamp, step, value).

    `rank` is the value's place among all float64 (see `columns.rank_of`), so that NaN has one too.
    """

    timestamp: int
    step: int
    rank: int


class Summary(NamedTuple):
    """What a set of distinct points of one series comes to.

    `first` and `last` are the least and the greatest point by (step, timestamp, value), where NaN counts
    as 0, as in MLflow's rule of the latest value. `min`, `max` and `sum` ignore NaN; without any other
    value `min` and `max` and their steps are None and `sum` is 0. Of equal extremes the least step
    counts. `sum` is NaN when the values hold both infinities.
    """

    n: int
    nan_count: int
    sum: float
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None
    first_step: int
    first_timestamp: int
    first_value: float
    last_step: int
    last_timestamp: int
    last_value: float


@dataclass(slots=True, frozen=True, eq=False)
class Points:
    """Points of one series, in columns of equal length."""

    timestamps: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


class Page(NamedTuple):
    """Points in the order of the history, and where the next page starts (None at the end)."""

    points: Points
    next: Position | None


Axis = Literal["step", "time", "relative"]


class Buckets(NamedTuple):
    """Buckets of a chart in columns, ordered by x; none is empty.

    Attributes:
        x: the coordinate of the bucket's first point.
        x_last: the coordinate of its last point.
        n: its points.
        nan_count: those of them that are NaN.
        min, max, mean: of the others; NaN where there are none.
        first, last: the values of the first and the last point.
    """

    x: NDArray[np.int64]
    x_last: NDArray[np.int64]
    n: NDArray[np.int64]
    nan_count: NDArray[np.int64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    mean: NDArray[np.float64]


class SeriesChart(NamedTuple):
    """What a chart shows of a series; `exact` says that every bucket is a single point."""

    series: SeriesId
    exact: bool
    buckets: Buckets


class SummaryKeeper(Protocol):
    """Whoever stores the series' summaries; the compactor repairs those that could not be kept exactly.

    An append merges each batch's summaries into the stored ones in its own transaction. Where
    `summary.merge` calls the result stale, the stored summary is marked. A mark stands until the
    compactor folds the batch that caused it.
    """

    def stale(self, connection: Connection, scope: int) -> Sequence[SeriesId]:
        """The marked series of a scope, in ascending order."""

    def lock(self, tx: Transaction, series: Sequence[SeriesId]) -> None:
        """Keep the stored summaries of these series from changing until the transaction ends.

        Lock in the order given. Where one process alone writes (SQLite), there is nothing to do.
        """

    def store(self, tx: Transaction, summaries: Sequence[tuple[SeriesId, Summary, bool]]) -> None:
        """Replace stored summaries, which were locked. The flag says whether the mark must stay.

        A series that has no stored summary any more (its scope was deleted) is passed over.
        """
