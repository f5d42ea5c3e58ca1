"""Folding: moving a scope's points from the log into its pack and its chunks.

`prepare` reads a snapshot and computes, outside of the writer, all that is to be written; `swap` checks
inside a transaction that nobody else folded or deleted the scope meanwhile, and writes it. So a crash at
any point leaves either the state before or the state after.

The state after a fold:

* a point stands once, in the pack or in a chunk;
* the chunks of a series don't overlap in the history, and its points in the pack come after them;
* points that came late were merged into the chunks that they belong to.

Rewriting is amortised: what is in order rests in the pack until the pack overflows, and a series' young
chunks are merged only into a run of about their own size, so a point is rewritten a few times until its
chunk is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from runyard.server.db import Connection, Transaction
from runyard.server.metrics import log
from runyard.server.metrics.batchlog import decode
from runyard.server.metrics.batchlog_bulk import encode_columns
from runyard.server.metrics.chunk import (
    FULL,
    GREATEST,
    Chunk,
    NewChunk,
    chunks_beyond,
    chunks_upto,
    cut,
    cut_evenly,
    delete_chunks,
    insert_chunks,
    newest_chunks,
    read_points,
    read_sketches,
)
from runyard.server.metrics.columns import (
    Columns,
    count_before,
    count_upto,
    join,
    join_columns,
    no_columns,
    position_at,
    sort_unique,
    sort_unique_columns,
    starts_of,
    take,
)
from runyard.server.metrics.pack import encode_pack, lock_version, read_pack, write_pack
from runyard.server.metrics.sketch import decode_sketches, summary_of
from runyard.server.metrics.summary import combine, merge
from runyard.server.metrics.summary_bulk import summarize_columns, summarize_points
from runyard.server.metrics.types import Points, Position, SeriesId, Summary, SummaryKeeper, key_of, series_id


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fold does; a transaction stays short.

    Attributes:
        chunk: points of a full chunk.
        pack: points of a pack; a scope with many keys may have `pack_per_key` of each, if that is more.
        pack_per_key: see `pack`.
        fold: points that one fold takes from the log (at least one row).
        rewrite: chunks that one fold rewrites because of points that came late.
    """

    chunk: int = FULL
    pack: int = 16_384
    pack_per_key: int = 64
    fold: int = 131_072
    rewrite: int = 64


@dataclass(slots=True, eq=False)
class Fold:
    """What one fold of a scope writes.

    Attributes:
        scope: the scope.
        version: the version that the pack must still have; None for no pack.
        consumed: the log's rows that are folded.
        points: how many points they hold.
        complete: whether nothing of the snapshot's log is left for another fold.
        leftover: points that go back to the log.
        pack: the new pack's points.
        dropped: the chunks that go.
        chunks: the chunks that come.
        repaired: summaries that were marked stale, counted anew.
    """

    scope: int
    version: int | None
    consumed: list[int]
    points: int
    complete: bool
    leftover: Columns
    pack: Columns
    pack_blob: bytes = b""
    dropped: set[int] = field(default_factory=set)
    chunks: list[NewChunk] = field(default_factory=list)
    repaired: list[tuple[SeriesId, Summary]] = field(default_factory=list)


def prepare(
    connection: Connection, scope: int, keeper: SummaryKeeper, limits: Limits = Limits()
) -> Fold | None:
    """Compute a fold of a scope from a snapshot; None when nothing waits."""
    waiting = log.waiting(connection, scope)
    chosen = _oldest(waiting, limits.fold)
    if not chosen:
        return None
    fresh = decode(log.blobs(connection, [row.id for row in chosen]))
    pack = read_pack(connection, scope)
    fold = Fold(
        scope,
        pack.version if pack is not None else None,
        [row.id for row in chosen],
        len(fresh),
        len(chosen) == len(waiting),
        no_columns(),
        no_columns(),
    )
    points = sort_unique_columns(join_columns([pack.columns, fresh]) if pack is not None else fresh)
    _Distribution(connection, fold, limits).distribute(points)
    fold.pack_blob = encode_pack(fold.pack)
    if fold.complete:
        _repair(connection, fold, keeper.stale(connection, scope))
        fold.complete = not len(fold.leftover)
    return fold


def swap(tx: Transaction, fold: Fold, keeper: SummaryKeeper) -> bool:
    """Write a prepared fold; False, with nothing written, when somebody else changed the scope."""
    if lock_version(tx, fold.scope) != fold.version or not log.lock_rows(tx, fold.scope, fold.consumed):
        return False
    if fold.repaired:
        keeper.lock(tx, [series for series, _ in fold.repaired])
    log.delete_rows(tx, fold.consumed)
    repaired = _with_arrivals(tx, fold)
    write_pack(tx, fold.scope, fold.version, len(fold.pack), fold.pack_blob)
    delete_chunks(tx, fold.dropped)
    insert_chunks(tx, fold.chunks)
    if len(fold.leftover):
        log.append_rows(tx, [(fold.scope, len(fold.leftover), encode_columns(fold.leftover))])
    if repaired:
        keeper.store(tx, repaired)
    return True


def _oldest(waiting: Sequence[log.Waiting], points: int) -> list[log.Waiting]:
    """The first rows, up to a number of points, at least one."""
    chosen: list[log.Waiting] = []
    for row in waiting:
        points -= row.n
        if points < 0 and chosen:
            break
        chosen.append(row)
    return chosen


class _Distribution:
    """Decides for the points of a scope which go to chunks, which to the pack, which wait."""

    def __init__(self, connection: Connection, fold: Fold, limits: Limits) -> None:
        self._connection = connection
        self._fold = fold
        self._limits = limits
        self._rewrites_left = limits.rewrite

    def distribute(self, points: Columns) -> None:
        """Fill the fold. The points are ordered by (key, timestamp, step, value), each once."""
        starts = starts_of(points.keys)
        keys = points.keys[starts].tolist()
        ends = np.append(starts[1:], len(points))
        newest = newest_chunks(self._connection, [series_id(self._fold.scope, key) for key in keys])
        spilled = _to_spill((ends - starts).tolist(), self._limits)
        kept = np.ones(len(points), np.bool_)
        leftover = np.zeros(len(points), np.bool_)
        for at, (key, start, end) in enumerate(zip(keys, starts.tolist(), ends.tolist(), strict=True)):
            series = series_id(self._fold.scope, key)
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
        self._fold.pack = points.take(kept)
        self._fold.leftover = points.take(leftover)

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
                if chunk.id in self._fold.dropped or not _is_young(chunk, size, full):
                    break
                young.append(chunk)
                size += chunk.n
        old = read_points(self._connection, [chunk.id for chunk in young])
        whole = join([*(old[chunk.id] for chunk in reversed(young)), points])
        self._replace(young, cut(series, whole, full))

    def _replace(self, old: Sequence[Chunk], new: Sequence[NewChunk]) -> None:
        self._fold.dropped.update(chunk.id for chunk in old)
        self._fold.chunks += new


_MOST_YOUNG = 32


def _is_young(chunk: Chunk, size: int, full: int) -> bool:
    """Whether a chunk joins a run of points that comes after it."""
    return chunk.n < full and chunk.n <= 2 * size


def _to_spill(counts: list[int], limits: Limits) -> set[int]:
    """Which series leave the pack: none while it has room; else the longest, until half of it is free."""
    room = max(limits.pack, limits.pack_per_key * len(counts))
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


def _repair(connection: Connection, fold: Fold, stale: Sequence[SeriesId]) -> None:
    """Count the stale series anew, as they will be after the fold."""
    waits = {series_id(fold.scope, int(key)) for key in np.unique(fold.leftover.keys)}
    for series in stale:
        if series in waits:
            continue  # a later fold has all of its points
        sketches = [blob for at, blob in read_sketches(connection, series) if at not in fold.dropped]
        sketches += [chunk.sketch for chunk in fold.chunks if chunk.series == series]
        packed = fold.pack.points(fold.pack.keys == key_of(series))
        parts = [
            summary_of(decode_sketches(sketches)) if sketches else None,
            summarize_points(packed) if len(packed) else None,
        ]
        whole = combine(part for part in parts if part is not None)
        if whole is not None:
            fold.repaired.append((series, whole))


def _with_arrivals(tx: Transaction, fold: Fold) -> list[tuple[SeriesId, Summary, bool]]:
    """The repaired summaries with what came since the snapshot; the flag says that one is still stale."""
    if not fold.repaired:
        return []
    arrived = log.waiting(tx, fold.scope)
    if sum(row.n for row in arrived) > _MOST_ARRIVALS:
        return []  # too much for a short transaction; these rows bring the next fold
    new: dict[SeriesId, list[Summary]] = {}
    for blob in log.blobs(tx, [row.id for row in arrived]):
        for series, summary in summarize_columns(fold.scope, decode([blob])):
            new.setdefault(series, []).append(summary)
    found = []
    for series, counted in fold.repaired:
        whole, stale = counted, False
        for summary in new.get(series, ()):
            whole, behind = merge(whole, summary)
            stale = stale or behind
        found.append((series, whole, stale))
    return found


_MOST_ARRIVALS = 20_000
