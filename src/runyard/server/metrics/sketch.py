"""Sketches: what each 256 points of a chunk come to, so that a chart need not decode them.

A blob is a byte for its kind (0 plain, 1 full) and one record per unit of up to 256 points, in the order
of the history. Where that is also the order of the steps (as a rule), a plain record says it all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints, rank_of, take
from runyard.server.metrics.grouping import least_steps, reduce_groups
from runyard.server.metrics.types import Points, Summary

UNIT = 256
"""Points per unit; the last unit of a chunk may have fewer."""

_PLAIN_KIND, _FULL_KIND = b"\x00", b"\x01"

_PLAIN_FIELDS = [
    ("n", "<u4"),
    ("nans", "<u4"),
    ("min_time", "<i8"),
    ("max_time", "<i8"),
    ("min_step", "<i8"),
    ("max_step", "<i8"),
    ("sum", "<f8"),
    ("low", "<f8"),
    ("low_step", "<i8"),
    ("high", "<f8"),
    ("high_step", "<i8"),
    ("first", "<f8"),
    ("last", "<f8"),
]
# What a plain record's reader takes from its other fields.
_FULL_ONLY = {
    "first_step": "min_step",
    "last_step": "max_step",
    "step_first": "first",
    "step_first_time": "min_time",
    "step_last": "last",
    "step_last_time": "max_time",
}
_PLAIN = np.dtype(_PLAIN_FIELDS)
_FULL = np.dtype([*_PLAIN_FIELDS, *((name, _PLAIN[source].str) for name, source in _FULL_ONLY.items())])


@dataclass(slots=True, frozen=True, eq=False)
class Sketches:
    """One entry per unit.

    Attributes:
        n: points; `nans`: those of them that are NaN.
        min_time, max_time, min_step, max_step: the ranges.
        sum, low, high: of the values that aren't NaN; `low` and `high` are NaN where all are.
        low_step, high_step: the least steps that have them.
        first, last: values of the ends in the order of the history, at `first_step`, `last_step`.
        step_first, step_last: values of the ends in the order (step, timestamp, value), at
            `step_first_time`, `step_last_time`.
    """

    n: NDArray[Any]
    nans: NDArray[Any]
    min_time: Ints
    max_time: Ints
    min_step: Ints
    max_step: Ints
    sum: Floats
    low: Floats
    low_step: Ints
    high: Floats
    high_step: Ints
    first: Floats
    last: Floats
    first_step: Ints
    last_step: Ints
    step_first: Floats
    step_first_time: Ints
    step_last: Floats
    step_last_time: Ints

    def __len__(self) -> int:
        return len(self.n)


def units_in(points: int) -> int:
    """How many units a chunk of so many points has."""
    return -(-points // UNIT)


def encode_sketch(points: Points) -> bytes:
    """The sketch of a chunk, whose points stand in the order of the history."""
    times, steps, values = points.timestamps, points.steps, points.values
    starts = np.arange(0, len(points), UNIT)
    plain = bool((steps[1:] >= steps[:-1]).all())
    by_step = points if plain else _in_step_order(points)
    groups = reduce_groups(starts, by_step.values)
    ends = groups.ends
    records = np.empty(len(starts), _PLAIN if plain else _FULL)
    records["n"], records["nans"] = groups.n, groups.nans
    records["min_time"], records["max_time"] = times[starts], times[ends]
    records["min_step"], records["max_step"] = by_step.steps[starts], by_step.steps[ends]
    records["sum"], records["low"], records["high"] = groups.sum, groups.low, groups.high
    records["low_step"] = least_steps(groups.low, groups, by_step.steps, by_step.values)
    records["high_step"] = least_steps(groups.high, groups, by_step.steps, by_step.values)
    records["first"], records["last"] = values[starts], values[ends]
    if plain:
        return _PLAIN_KIND + records.tobytes()
    records["first_step"], records["last_step"] = steps[starts], steps[ends]
    records["step_first"], records["step_last"] = by_step.values[starts], by_step.values[ends]
    records["step_first_time"] = by_step.timestamps[starts]
    records["step_last_time"] = by_step.timestamps[ends]
    return _FULL_KIND + records.tobytes()


def decode_sketches(blobs: Sequence[bytes]) -> Sketches:
    """The units of some chunks, one after the other."""
    if not blobs:
        records = np.empty(0, _PLAIN)
    elif all(blob[:1] == _PLAIN_KIND for blob in blobs):
        records = np.frombuffer(b"".join([blob[1:] for blob in blobs]), _PLAIN)
    else:
        records = np.concatenate([_full_records(blob) for blob in blobs])
    names = records.dtype.names or ()
    return Sketches(
        **{
            field.name: records[field.name if field.name in names else _FULL_ONLY[field.name]]
            for field in fields(Sketches)
        }
    )


def summary_of(sketches: Sketches) -> Summary:
    """The summary of all points of some chunks of one series, at least one."""
    s = sketches
    with np.errstate(invalid="ignore", over="ignore"):
        total = float(s.sum.sum())
    first = _foremost(s.min_step, s.step_first_time, rank_of(s.step_first))
    # ~ turns the order round and, unlike -, can't overflow.
    last = _foremost(~s.max_step, ~s.step_last_time, ~rank_of(s.step_last))
    low, low_step = _extreme(np.fmin.reduce(s.low), s.low, s.low_step)
    high, high_step = _extreme(np.fmax.reduce(s.high), s.high, s.high_step)
    return Summary(
        int(s.n.sum()),
        int(s.nans.sum()),
        total,
        low,
        low_step,
        high,
        high_step,
        int(s.min_step[first]),
        int(s.step_first_time[first]),
        float(s.step_first[first]),
        int(s.max_step[last]),
        int(s.step_last_time[last]),
        float(s.step_last[last]),
    )


def _foremost(steps: Ints, times: Ints, ranks: Ints) -> int:
    """Which entry comes first by (step, time, rank)."""
    chosen = np.flatnonzero(steps == steps.min())
    return int(chosen[np.lexsort((ranks[chosen], times[chosen]))[0]])


def _extreme(extreme: float, values: Floats, steps: Ints) -> tuple[float | None, int | None]:
    """An extreme and the least step that has it; None when all values were NaN."""
    if np.isnan(extreme):
        return None, None
    return float(extreme), int(steps[values == extreme].min())


def _in_step_order(points: Points) -> Points:
    """Each unit's points in the order (step, timestamp, value); the units keep theirs."""
    unit = np.arange(len(points)) // UNIT
    return take(points, np.lexsort((rank_of(points.values), points.timestamps, points.steps, unit)))


def _full_records(blob: bytes) -> NDArray[Any]:
    if blob[:1] == _FULL_KIND:
        return np.frombuffer(blob, _FULL, offset=1)
    plain = np.frombuffer(blob, _PLAIN, offset=1)
    records = np.empty(len(plain), _FULL)
    for name in _FULL.names or ():
        records[name] = plain[_FULL_ONLY.get(name, name)]
    return records
