"""Evenly spaced samples of a series, as MLflow's bulk-interval history wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runyard.server.db import Connection
from runyard.server.metrics.chunk import SteppedChunk, read_points, read_stepped
from runyard.server.metrics.columns import Ints, join, no_points, rank_of, sort_unique, take
from runyard.server.metrics.downsample import in_axis_order
from runyard.server.metrics.history import live_of
from runyard.server.metrics.live import live_points
from runyard.server.metrics.types import Points, SeriesId, scope_of

# Up to here all points are decoded, whatever order they are in.
_FEW = 262_144


def sample(
    connection: Connection, series: SeriesId, *, count: int, min_step: int | None, max_step: int | None
) -> Points:
    """At most `count` points of a series, in the order (step, timestamp, value).

    All points in the range of steps, if they are not more; else the first of each of `count` equal parts
    of them, and the last point in place of the last of these. That is exact unless a series is long and
    its steps went back over chunks: then parts are about equal.

    Args:
        connection: a snapshot.
        series: the series; an unknown one is empty.
        count: at least 1.
        min_step: where the range starts; None for the series' start.
        max_step: where the range ends, included; None for the series' end.
    """
    scope = scope_of(series)
    low = -(2**63) if min_step is None else min_step
    high = 2**63 - 1 if max_step is None else max_step
    live = _between(live_of(live_points(connection, [scope]).get(scope), series), low, high)
    chunks = read_stepped(connection, series, low, high)
    if sum(chunk.n for chunk in chunks) + len(live) <= _FEW:
        blocks = [_decoded(connection, chunks, live, low, high)]
    else:
        blocks = _blocks(connection, chunks, live, low, high)
    return _pick(connection, [block for block in blocks if block.n], count)


@dataclass(slots=True, frozen=True, eq=False)
class _Block:
    """Points that come one after the other by step; read only when one of them is picked."""

    n: int
    min_step: int
    max_step: int
    points: Points | None
    chunk: int = 0

    def read(self, connection: Connection) -> Points:
        if self.points is not None:
            return self.points
        return in_axis_order(read_points(connection, [self.chunk])[self.chunk], "step")


def _blocks(
    connection: Connection, chunks: list[SteppedChunk], live: Points, low: int, high: int
) -> list[_Block]:
    inside = [chunk for chunk in chunks if low <= chunk.min_step and chunk.max_step <= high]
    whole = {chunk.id for chunk in inside}
    blocks = [_Block(chunk.n, chunk.min_step, chunk.max_step, None, chunk.id) for chunk in inside]
    for chunk in chunks:
        if chunk.id not in whole:
            blocks.append(_decoded(connection, [chunk], no_points(), low, high))
    blocks.append(_decoded(connection, [], live, low, high))
    return sorted(blocks, key=lambda block: (block.min_step, block.max_step))


def _decoded(connection: Connection, chunks: list[SteppedChunk], live: Points, low: int, high: int) -> _Block:
    found = read_points(connection, [chunk.id for chunk in chunks])
    points = sort_unique(join([*(found[chunk.id] for chunk in chunks), live]))
    points = in_axis_order(_between(points, low, high), "step")
    if not len(points):
        return _Block(0, 0, 0, points)
    return _Block(len(points), int(points.steps[0]), int(points.steps[-1]), points)


def _between(points: Points, low: int, high: int) -> Points:
    return take(points, (points.steps >= low) & (points.steps <= high))


def _pick(connection: Connection, blocks: list[_Block], count: int) -> Points:
    total = sum(block.n for block in blocks)
    if not total:
        return no_points()
    wanted = _ranks(total, count)
    starts = np.cumsum([0, *(block.n for block in blocks)]).tolist()
    # Where blocks overlap, the last point needn't be in the block that starts last.
    last = max(blocks, key=lambda block: block.max_step)
    parts = []
    for block, start, end in zip(blocks, starts[:-1], starts[1:], strict=True):
        ranks = wanted[(wanted >= start) & (wanted < end)] - start
        if total > count:
            ranks = ranks[ranks + start < total - 1]
            if block is last:
                ranks = np.union1d(ranks, block.n - 1)
        if len(ranks):
            parts.append(take(block.read(connection), ranks))
    points = join(parts)
    return take(points, np.lexsort((rank_of(points.values), points.timestamps, points.steps)))


def _ranks(total: int, count: int) -> Ints:
    """The ranks to pick: where each of `count` parts starts, the larger parts first, and the last."""
    if total <= count:
        return np.arange(total)
    part = np.arange(count)
    ranks = part * (total // count) + np.minimum(part, total % count)
    ranks[-1] = total - 1
    return ranks
