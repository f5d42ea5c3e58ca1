"""What groups of points come to, in array operations: the one place that reduces points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints


@dataclass(slots=True, frozen=True, eq=False)
class Groups:
    """One entry per group. `low` and `high` are NaN for a group of NaN alone, and their steps undefined."""

    starts: Ints
    ends: Ints
    n: Ints
    nans: Ints
    sum: Floats
    low: Floats
    low_step: Ints
    high: Floats
    high_step: Ints


def reduce_groups(starts: NDArray[Any], steps: Ints, values: Floats) -> Groups:
    """Reduce groups of points that lie one after the other.

    Args:
        starts: where each group starts; the first is 0, and no group is empty.
        steps: the points' steps, ascending within each group.
        values: the points' values.

    Returns:
        Per group: the positions of its first and its last point, its size, how many values are NaN, the
        sum, the least and the greatest of the others, each with the least step that has it.
    """
    ends = np.append(starts[1:], len(values)) - 1
    n = ends - starts + 1
    nan = np.isnan(values)
    if nan.any():
        nans, numbers = np.add.reduceat(nan, starts, dtype=np.int64), np.where(nan, 0.0, values)
    else:
        nans, numbers = np.zeros(len(starts), np.int64), values
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.add.reduceat(numbers, starts)
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return Groups(
        starts,
        ends,
        n,
        nans,
        sums,
        low,
        _steps_of(low, starts, n, steps, values),
        high,
        _steps_of(high, starts, n, steps, values),
    )


def _steps_of(extremes: Floats, starts: Ints, n: Ints, steps: Ints, values: Floats) -> Ints:
    hits = np.flatnonzero(values == np.repeat(extremes, n))
    if not len(hits):
        return steps[starts]
    first = hits.searchsorted(starts)
    # Behind the last hit only groups of NaN follow, for which any step will do.
    return steps[hits[np.minimum(first, len(hits) - 1)]]
