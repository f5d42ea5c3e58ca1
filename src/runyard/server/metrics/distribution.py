"""Where a fold's points go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from runyard.server.db import Connection
from runyard.server.metrics.chunk import (
    FULL,
    GREATEST,
    Chunk,
    NewChunk,
    chunks_beyond,
    chunks_upto,
    cut,
    cut_evenly,
    newest_chunks,
    read_points,
)
from runyard.server.metrics.columns import (
    Columns,
    count_before,
    count_upto,
    join,
    no_columns,
    position_at,
    sort_unique,
    starts_of,
    take,
)
from runyard.server.metrics.types import Points, Position, SeriesId, series_id


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fold does; a transaction stays short.

    Attributes:
        chunk: points of a full chunk.
        pack: points of a pack; a scope with many keys may have `pack_per_key` of each, up to 16 times
            as many points.
        pack_per_key: see `pack`.
        fold: points that one fold takes from the log (at least one row).
        rows: rows that one fold takes from the log.
        rewrite: chunks that one fold rewrites because of points that came late.
    """

    chunk: int = FULL
    pack: int = 16_384
    pack_per_key: int = 64
    fold: int = 262_144
    rows: int = 8_192
    rewrite: int = 64


DEFAULT_LIMITS = Limits()


class Distribution:
    """Decides for the points of a scope which go to chunks, which to its pack, and which wait.

    Args:
        connection: a snapshot.
        scope: the scope.
        limits: how much to do.

    Attributes:
        pack: the points of the pack.
        leftover: points that came late, for whose chunks this fold has no room.
        dropped: the chunks that go.
        chunks: the chunks that come.
    """

    def __init__(self, connection: Connection, scope: int, limits: Limits) -> None:
        self._connection = connection
        self._scope = scope
        self._limits = limits
        self._rewrites_left = limits.rewrite
        self.pack = no_columns()
        self.leftover = no_columns()
        self.dropped: set[int] = set()
        self.chunks: list[NewChunk] = []

    def distribute(self, points: Columns, fresh: Collection[int]) -> None:
        """Distribute points.

        Args:
            points: ordered by (key, timestamp, step, value), each once.
            fresh: the keys of those that aren't from the pack.
        """
        starts = starts_of(points.keys)
        keys = points.keys[starts].tolist()
        ends = np.append(starts[1:], len(points))
        spilled = to_spill((ends - starts).tolist(), self._limits)
        # What rests in the pack comes after its series' chunks as it is.
        moving = [series_id(self._scope, key) for at, key in enumerate(keys) if at in spilled or key in fresh]
        newest = newest_chunks(self._connection, moving)
        kept = np.ones(len(points), np.bool_)
        leftover = np.zeros(len(points), np.bool_)
        for at, (key, start, end) in enumerate(zip(keys, starts.tolist(), ends.tolist(), strict=True)):
            series = series_id(self._scope, key)
            last = newest.get(series)
            if last is None and at not in spilled:
                continue
            own = points.points(slice(start, end))
            late = 0 if last is None else count_upto(own, last.last)
            tail, merged = (None, 0) if last is None else self._merge_late(last, take(own, slice(0, late)))
            kept[start : start + late] = False
            leftover[start + merged : start + late] = True
            if at in spilled and merged == late:
                self._spill(series, last, tail, take(own, slice(late, None)))
                kept[start:end] = False
            elif tail is not None and last is not None:
                self._replace([last], cut_evenly(series, tail, self._limits.chunk))
        self.pack = points.take(kept)
        self.leftover = points.take(leftover)

    def _merge_late(self, last: Chunk, late: Points) -> tuple[Points | None, int]:
        """Merge points into the chunks that they belong to.

        Returns:
            The new content of the last chunk, if it changes; and how many of the points were merged.
        """
        if not len(late):
            return None, 0
        touched = self._chunks_around(last.series, late)
        old = read_points(self._connection, [chunk.id for chunk, _ in touched])
        merged, tail = 0, None
        for chunk, upto in touched:
            points = sort_unique(join([old[chunk.id], take(late, slice(merged, upto))]))
            merged = upto
            if len(points) == chunk.n:
                continue  # all of them were known
            if chunk.id == last.id:
                tail = points
            else:
                self._replace([chunk], cut_evenly(last.series, points, self._limits.chunk))
        return tail, merged

    def _chunks_around(self, series: SeriesId, late: Points) -> list[tuple[Chunk, int]]:
        """The chunks that points belong to, each with the number of points up to its end.

        A point belongs to the last chunk that starts at or before it, or else to the first chunk.
        """
        touched: list[tuple[Chunk, int]] = []
        start = 0
        while start < len(late) and self._rewrites_left:
            chunk, following = self._chunk_at(series, position_at(late, start))
            start = len(late) if following is None else count_before(late, following.first)
            touched.append((chunk, start))
            self._rewrites_left -= 1
        return touched

    def _chunk_at(self, series: SeriesId, position: Position) -> tuple[Chunk, Chunk | None]:
        """The chunk that a point at a position belongs to, and the one after it."""
        found = chunks_upto(self._connection, series, position, 1)
        if found:
            beyond = chunks_beyond(self._connection, series, found[0].first, 1)
            return found[0], beyond[0] if beyond else None
        found = chunks_beyond(self._connection, series, position, 2)
        return found[0], found[1] if len(found) > 1 else None

    def _spill(self, series: SeriesId, last: Chunk | None, tail: Points | None, points: Points) -> None:
        """Write points behind a series' chunks, together with young chunks of about their size."""
        full = self._limits.chunk
        if tail is not None and last is not None:
            self._replace([last], cut(series, join([tail, points]), full))
            return
        young: list[Chunk] = []
        size = len(points)
        if last is not None and _is_young(last, size, full):
            for chunk in chunks_upto(self._connection, series, GREATEST, _MOST_YOUNG):
                if chunk.id in self.dropped or not _is_young(chunk, size, full):
                    break
                young.append(chunk)
                size += chunk.n
        old = read_points(self._connection, [chunk.id for chunk in young])
        whole = join([*(old[chunk.id] for chunk in reversed(young)), points])
        self._replace(young, cut(series, whole, full))

    def _replace(self, old: Sequence[Chunk], new: Sequence[NewChunk]) -> None:
        self.dropped.update(chunk.id for chunk in old)
        self.chunks += new


_MOST_YOUNG = 32


def _is_young(chunk: Chunk, size: int, full: int) -> bool:
    """Whether a chunk joins a run of points that comes after it."""
    return chunk.n < full and chunk.n <= 2 * size


def to_spill(counts: list[int], limits: Limits) -> set[int]:
    """Which series leave the pack: none while it has room; else the longest, until half of it is free."""
    room = max(limits.pack, min(limits.pack_per_key * len(counts), 16 * limits.pack))
    total = sum(counts)
    if total <= room:
        return set()
    spilled = set()
    for at in sorted(range(len(counts)), key=counts.__getitem__, reverse=True):
        spilled.add(at)
        total -= counts[at]
        if total <= room // 2:
            break
    return spilled
