"""Charts: series between two coordinates, reduced to the buckets that can be seen.

What is read is bounded by what is drawn: sketches wherever a unit of 256 points is narrower than a bucket,
and points only where it is wider or lies on the edge of the view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runyard.server.db import Connection
from runyard.server.metrics.chunk import SketchedChunk, first_times, read_points, read_sketched
from runyard.server.metrics.columns import count_upto, join, sort_unique, take
from runyard.server.metrics.downsample import (
    Along,
    Pieces,
    coordinates,
    downsample,
    exactly,
    in_axis_order,
    pieces_of_sketches,
)
from runyard.server.metrics.history import live_of
from runyard.server.metrics.live import live_points
from runyard.server.metrics.sketch import UNIT, Sketches, decode_sketches, units_in
from runyard.server.metrics.types import Axis, Points, SeriesChart, SeriesId, scope_of

# Points that may be decoded for a request, and for one of its series; beyond, units stay whole.
MOST_DECODED = 12_000_000
MOST_DECODED_OF_ONE = 2_097_152
# Series whose sketches are in memory at once.
_AT_ONCE = 64
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def chart(
    connection: Connection,
    series: Sequence[SeriesId],
    *,
    axis: Axis,
    buckets: int,
    x_min: int | None = None,
    x_max: int | None = None,
    origins: Mapping[SeriesId, int] | None = None,
) -> list[SeriesChart]:
    """The buckets of some series along an axis.

    Args:
        connection: a snapshot.
        series: the series.
        axis: "step"; "time", in milliseconds since the Unix epoch; or "relative", in milliseconds since
            the series' origin.
        buckets: the most buckets per series, at least 1.
        x_min: the first coordinate of the view; None for the series' own first.
        x_max: the last coordinate of the view; None for the series' own last.
        origins: for "relative", the origins as timestamps; a series without one starts at its first point.

    Returns:
        One entry per series, in the order given. A series with at most `buckets` points in view comes
        `exact`: a bucket per point. Otherwise the view's range is divided into equal buckets, whose edges
        move by less than a bucket's width to fall between stored units of 256 points. Where that would
        mean to decode too much (more than `MOST_DECODED_OF_ONE` points of a series or their share of
        `MOST_DECODED`), units wider than a bucket also stay whole, and at last those on the view's edge.
    """
    found: dict[SeriesId, SeriesChart] = {}
    ordered = sorted(set(series))
    budget = min(MOST_DECODED_OF_ONE, MOST_DECODED // max(1, len(ordered)))
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        reader = _Reader(connection, part, axis, origins or {}, x_min, x_max)
        for one in part:
            found[one] = reader.chart_of(one, buckets, budget)
    return [found[one] for one in series]


@dataclass(slots=True, frozen=True, eq=False)
class _View:
    """The part of a series that is looked at: absolute coordinates; None for an open end."""

    low: int | None
    high: int | None


class _Reader:
    """Some series' sketches and live points, and their charts."""

    def __init__(
        self,
        connection: Connection,
        series: Sequence[SeriesId],
        axis: Axis,
        origins: Mapping[SeriesId, int],
        x_min: int | None,
        x_max: int | None,
    ) -> None:
        self._connection = connection
        self._along: Along = "step" if axis == "step" else "time"
        self._x_min, self._x_max = x_min, x_max
        live = live_points(connection, {scope_of(one) for one in series})
        self._live = {one: live_of(live.get(scope_of(one)), one) for one in series}
        self._origins = self._find_origins(series, origins) if axis == "relative" else {}
        views = [self._view(one) for one in series]
        low = min((_LEAST if view.low is None else view.low for view in views), default=_LEAST)
        high = max((_GREATEST if view.high is None else view.high for view in views), default=_GREATEST)
        self._chunks: dict[SeriesId, list[SketchedChunk]] = {}
        for chunk in read_sketched(connection, series, self._along, low, high):
            self._chunks.setdefault(chunk.series, []).append(chunk)

    def chart_of(self, series: SeriesId, buckets: int, budget: int) -> SeriesChart:
        """The chart of one of the series."""
        points, pieces, low, high = self._in_view(series, buckets, budget)
        exact = not len(pieces) and len(points) <= buckets
        if exact:
            found = exactly(points, self._along)
        else:
            found = downsample(points, pieces, self._along, low, high, buckets)
        origin = self._origins.get(series, 0)
        if origin:
            found = found._replace(x=found.x - origin, x_last=found.x_last - origin)
        return SeriesChart(series, exact, found)

    def _in_view(self, series: SeriesId, buckets: int, budget: int) -> tuple[Points, Pieces, int, int]:
        """What is drawn: single points in the order of the axis, units, and the range."""
        live, view = self._live[series], self._view(series)
        chunks = self._chunks.get(series, [])
        sketches = decode_sketches([chunk.sketch for chunk in chunks])
        pieces = pieces_of_sketches(sketches, self._along)
        x_live = coordinates(live, self._along)
        low = view.low if view.low is not None else _least(pieces.x, x_live)
        high = view.high if view.high is not None else _most(pieces.x_last, x_live)
        touching = (pieces.x <= high) & (pieces.x_last >= low)
        if int(pieces.n[touching].sum()) + len(live) <= buckets + 2 * UNIT:
            choices = [touching]  # few enough, perhaps, to show them all
        else:
            edge = (pieces.x < low) | (pieces.x_last > high)
            needed = touching & (edge | _repeated(sketches, chunks, live))
            wide = pieces.x_last.astype(np.float64) - pieces.x > (high - low) / buckets
            choices = [needed | (touching & wide), needed]
        decoded = _first_within(budget, choices, chunks)
        parts = self._decode(chunks, decoded) if decoded.any() else []
        points = sort_unique(join([*parts, live])) if parts else live
        points = in_axis_order(points, self._along)
        x = coordinates(points, self._along)
        start, end = int(x.searchsorted(low, "left")), int(x.searchsorted(high, "right"))
        whole = touching & ~decoded
        if not whole.all():
            pieces = pieces.take(whole)
        return take(points, slice(start, max(start, end))), pieces, low, high

    def _decode(self, chunks: Sequence[SketchedChunk], decoded: NDArray[np.bool_]) -> list[Points]:
        """The points of some units."""
        wanted: dict[int, NDArray[np.bool_]] = {}
        start = 0
        for chunk in chunks:
            units = decoded[start : start + units_in(chunk.n)]
            start += len(units)
            if units.any():
                wanted[chunk.id] = np.repeat(units, UNIT)[: chunk.n]
        found = read_points(self._connection, wanted)
        return [
            points if wanted[chunk].all() else take(points, wanted[chunk]) for chunk, points in found.items()
        ]

    def _view(self, series: SeriesId) -> _View:
        origin = self._origins.get(series, 0)
        return _View(
            None if self._x_min is None else max(_LEAST, self._x_min + origin),
            None if self._x_max is None else min(_GREATEST, self._x_max + origin),
        )

    def _find_origins(self, series: Sequence[SeriesId], given: Mapping[SeriesId, int]) -> dict[SeriesId, int]:
        """The given origins, and the first timestamps of the others."""
        found = first_times(self._connection, [one for one in series if one not in given])
        for one, points in self._live.items():
            if len(points):
                found[one] = min(found.get(one, _GREATEST), int(points.timestamps[0]))
        return found | {one: origin for one, origin in given.items() if one in self._live}


def _repeated(sketches: Sketches, chunks: Sequence[SketchedChunk], live: Points) -> NDArray[np.bool_]:
    """Which units may hold points that the log holds too: a client repeated them."""
    if not chunks or not len(live):
        return np.zeros(len(sketches), np.bool_)
    late = live.timestamps[: count_upto(live, chunks[-1].last)]
    before = late.searchsorted(sketches.min_time, "left")
    return late.searchsorted(sketches.max_time, "right") > before


def _first_within(
    budget: int, choices: Sequence[NDArray[np.bool_]], chunks: Sequence[SketchedChunk]
) -> NDArray[np.bool_]:
    """The first choice of units that with the chunks around them are not too many points; else none."""
    for choice in choices:
        if int(np.count_nonzero(choice)) > budget // UNIT + len(chunks):
            continue
        owner = np.repeat(np.arange(len(chunks)), [units_in(chunk.n) for chunk in chunks])
        if sum(chunks[at].n for at in set(owner[choice].tolist())) <= budget:
            return choice
    return np.zeros_like(choices[0])


def _least(x: NDArray[np.int64], live: NDArray[np.int64]) -> int:
    found = [int(column.min()) for column in (x, live) if len(column)]
    return min(found, default=0)


def _most(x: NDArray[np.int64], live: NDArray[np.int64]) -> int:
    found = [int(column.max()) for column in (x, live) if len(column)]
    return max(found, default=0)
