"""What groups of points come to, in array operations: the one place that reduces points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints


@dataclass(slots=True, frozen=True, eq=False)
class Groups:
    """One entry per group: where it starts, its last point, its size, how many of its values are NaN; of
    the others the sum, the least and the greatest, which are NaN for a group of NaN alone."""

    starts: Ints
    ends: Ints
    n: Ints
    nans: Ints
    sum: Floats
    low: Floats
    high: Floats


def reduce_groups(starts: NDArray[Any], values: Floats) -> Groups:
    """Reduce groups of values that lie one after the other.

    Args:
        starts: where each group starts; the first is 0, and no group is empty.
        values: at least one value.
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
    return Groups(
        starts, ends, n, nans, sums, np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    )


def least_steps(extremes: Floats, groups: Groups, steps: Ints, values: Floats) -> Ints:
    """The least step at which each group takes its extreme; any step for a group of NaN alone.

    Steps ascend within each group.
    """
    hits = np.flatnonzero(values == np.repeat(extremes, groups.n))
    if not len(hits):
        return steps[groups.starts]
    first = hits.searchsorted(groups.starts)
    # Behind the last hit only groups of NaN follow.
    return steps[hits[np.minimum(first, len(hits) - 1)]]
