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
from runyard.server.metrics.chunk import delete_chunks, insert_chunks, read_sketches
from runyard.server.metrics.columns import join_columns, sort_unique_columns
from runyard.server.metrics.distribution import DEFAULT_LIMITS, Distribution, Limits
from runyard.server.metrics.pack import encode_pack, lock_version, read_pack, write_pack
from runyard.server.metrics.sketch import decode_sketches, summary_of
from runyard.server.metrics.summary import combine, merge
from runyard.server.metrics.summary_bulk import summarize_columns, summarize_points
from runyard.server.metrics.types import SeriesId, Summary, SummaryKeeper, key_of, series_id


@dataclass(slots=True, eq=False)
class Fold:
    """What one fold of a scope writes.

    Attributes:
        scope: the scope.
        version: the version that the pack must still have; None for no pack.
        consumed: the log's rows that are folded.
        points: how many points they hold.
        complete: whether nothing of the snapshot's log is left for another fold.
        parts: the new pack and chunks, the chunks that go, and what goes back to the log.
        pack: the new pack as a blob.
        repaired: summaries that were marked stale, counted anew.
    """

    scope: int
    version: int | None
    consumed: list[int]
    points: int
    complete: bool
    parts: Distribution
    pack: bytes
    repaired: list[tuple[SeriesId, Summary]] = field(default_factory=list)


def prepare(
    connection: Connection, scope: int, keeper: SummaryKeeper, limits: Limits = DEFAULT_LIMITS
) -> Fold | None:
    """Compute a fold of a scope from a snapshot; None when nothing waits."""
    waiting = log.waiting(connection, scope)
    chosen = _oldest(waiting[: limits.rows], limits.fold)
    if not chosen:
        return None
    fresh = decode(log.blobs(connection, [row.id for row in chosen]))
    pack = read_pack(connection, scope)
    points = sort_unique_columns(fresh if pack is None else join_columns([pack.columns, fresh]))
    parts = Distribution(connection, scope, limits)
    parts.distribute(points, set(np.unique(fresh.keys).tolist()))
    fold = Fold(
        scope,
        None if pack is None else pack.version,
        [row.id for row in chosen],
        len(fresh),
        len(chosen) == len(waiting),
        parts,
        encode_pack(parts.pack),
    )
    if fold.complete:
        _repair(connection, fold, keeper.stale(connection, scope))
        fold.complete = not len(parts.leftover)
    return fold


def swap(tx: Transaction, fold: Fold, keeper: SummaryKeeper) -> bool:
    """Write a prepared fold; False, with nothing written, when somebody else changed the scope."""
    if lock_version(tx, fold.scope) != fold.version or not log.lock_rows(tx, fold.scope, fold.consumed):
        return False
    if fold.repaired:
        keeper.lock(tx, [series for series, _ in fold.repaired])
    parts = fold.parts
    log.delete_rows(tx, fold.consumed)
    repaired = _with_arrivals(tx, fold)
    write_pack(tx, fold.scope, fold.version, len(parts.pack), fold.pack)
    delete_chunks(tx, parts.dropped)
    insert_chunks(tx, parts.chunks)
    if len(parts.leftover):
        log.append_rows(tx, [(fold.scope, len(parts.leftover), encode_columns(parts.leftover))])
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


def _repair(connection: Connection, fold: Fold, stale: Sequence[SeriesId]) -> None:
    """Count the stale series anew, as they will be after the fold."""
    parts = fold.parts
    waits = {series_id(fold.scope, int(key)) for key in np.unique(parts.leftover.keys)}
    for series in stale:
        if series in waits:
            continue  # a later fold has all of its points
        sketches = [blob for at, blob in read_sketches(connection, series) if at not in parts.dropped]
        sketches += [chunk.sketch for chunk in parts.chunks if chunk.series == series]
        packed = parts.pack.points(parts.pack.keys == key_of(series))
        counted = [
            summary_of(decode_sketches(sketches)) if sketches else None,
            summarize_points(packed) if len(packed) else None,
        ]
        whole = combine(part for part in counted if part is not None)
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
