"""Folds: what they leave, how often they rewrite, and what happens when one fails or comes too late."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from runyard.server.db import Connection, Query, Transaction
from runyard.server.metrics import engine, log
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.fold import Fold, prepare, swap
from runyard.server.metrics.tables import metric_batch, metric_chunk, metric_pack
from runyard.server.metrics.types import PointBatch, series_id
from tests.contract.metrics.conftest import Store, batch
from tests.contract.metrics.model import Point, same_points, same_summary

SERIES = series_id(1, 5)
LIMITS = Limits(chunk=64, pack=50, pack_per_key=0)

_COUNTS = [
    Query(select(func.count()).select_from(table)) for table in (metric_batch, metric_pack, metric_chunk)
]
_SIZES = Query(select(metric_chunk.c.n).order_by(metric_chunk.c.first_timestamp))


def steps(start: int, end: int) -> list[Point]:
    return [(1_000 + 10 * step, step, step / 8) for step in range(start, end)]


def prepared(store: Store, scope: int = 1, limits: Limits = LIMITS) -> Fold:
    fold = store.database.read_here(lambda connection: prepare(connection, scope, store.keeper, limits))
    assert fold is not None
    return fold


def swapped(store: Store, fold: Fold) -> bool:
    return store.database.write_from_thread(lambda tx: swap(tx, fold, store.keeper))


def counts(store: Store) -> tuple[int, int, int]:
    """Rows of the log, packs, chunks."""

    def count(connection: Connection) -> tuple[int, ...]:
        return tuple(connection.value(query) for query in _COUNTS)

    return store.database.read_here(count)  # type: ignore[return-value]


def chunk_sizes(store: Store) -> list[int]:
    return [row[0] for row in store.database.read_here(lambda connection: connection.rows(_SIZES))]


def test_short_series_of_a_scope_share_a_pack(store: Store) -> None:
    for key in range(5):
        store.append(batch(1, key, steps(0, 8)))
    store.fold(1, LIMITS)
    assert counts(store) == (0, 1, 0)
    assert same_points(store.history(series_id(1, 3)), steps(0, 8))


def test_when_the_pack_overflows_the_longest_series_leave_it(store: Store) -> None:
    store.append(batch(1, 1, steps(0, 10)), batch(1, 2, steps(0, 100)), batch(1, 3, steps(0, 12)))
    fold = prepared(store)
    assert {chunk.series for chunk in fold.parts.chunks} == {series_id(1, 2)}
    assert [chunk.n for chunk in fold.parts.chunks] == [64, 36]
    assert len(fold.parts.pack) == 22


def test_a_scope_with_many_keys_has_a_larger_pack(store: Store) -> None:
    keys = list(range(400))
    store.append(PointBatch(1, keys, keys, keys, keys, [0.5] * 400))
    assert len(prepared(store, limits=Limits(pack=50, pack_per_key=2)).parts.pack) == 400


def test_a_growing_series_rewrites_each_point_a_few_times(store: Store) -> None:
    # Given a series that is folded in slices of 4 points
    limits = Limits(chunk=1_024, pack=0, pack_per_key=0)
    written = 0
    for start in range(0, 1_024, 4):
        store.append(batch(1, 5, steps(start, start + 4)))
        fold = prepared(store, limits=limits)
        written += sum(chunk.n for chunk in fold.parts.chunks)
        assert swapped(store, fold)
    # Then its chunks grew by merging with their like
    assert written < 12 * 1_024
    assert len(chunk_sizes(store)) <= 8
    assert same_points(store.history(SERIES, 100), steps(0, 1_024))


def test_full_chunks_are_never_touched_by_what_comes_after_them(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 640)))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(640, 700)))
    fold = prepared(store)
    assert not fold.parts.dropped
    assert [chunk.first_step for chunk in fold.parts.chunks] == [640]


def test_late_points_rewrite_only_the_chunks_that_they_belong_to(store: Store) -> None:
    store.append(batch(1, 5, [point for point in steps(0, 640) if point[1] not in (3, 300)]))
    store.fold(1, LIMITS)
    before = len(chunk_sizes(store))
    store.append(batch(1, 5, [steps(3, 4)[0], steps(300, 301)[0]]))
    fold = prepared(store)
    assert len(fold.parts.dropped) == 2
    assert swapped(store, fold)
    assert max(chunk_sizes(store)) <= 64
    assert len(chunk_sizes(store)) <= before + 2
    assert same_points(store.history(SERIES, 50), steps(0, 640))


def test_points_before_all_others_go_to_the_first_chunk(store: Store) -> None:
    store.append(batch(1, 5, steps(100, 300)))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(0, 100)))
    fold = prepared(store)
    assert len(fold.parts.dropped) == 1
    assert swapped(store, fold)
    assert same_points(store.history(SERIES), steps(0, 300))


def test_late_points_over_a_whole_history_are_merged_in_slices(store: Store) -> None:
    # Given a history of which every other point comes late
    store.append(batch(1, 5, steps(0, 640)[::2]))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(0, 640)[1::2]))
    # When it is folded with a limit of two chunks
    limits = Limits(chunk=64, pack=50, pack_per_key=0, rewrite=2)
    fold = prepared(store, limits=limits)
    # Then one fold rewrites two, and what it left waits in the log
    assert len(fold.parts.dropped) == 2
    assert len(fold.parts.leftover) == 319 - 128
    assert not fold.complete
    assert swapped(store, fold)
    assert same_points(store.history(SERIES), steps(0, 640))
    assert store.fold(1, limits) == 2
    assert counts(store)[0] == 0
    assert same_points(store.history(SERIES), steps(0, 640))


def test_known_points_rewrite_nothing(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 640)))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(100, 400)))
    fold = prepared(store)
    assert (fold.parts.dropped, fold.parts.chunks) == (set(), [])
    assert swapped(store, fold)
    assert same_points(store.history(SERIES), steps(0, 640))


def test_a_fold_takes_the_oldest_rows_up_to_its_limit(store: Store) -> None:
    for start in range(0, 100, 20):
        store.append(batch(1, 5, steps(start, start + 20)))
    fold = prepared(store, limits=Limits(fold=50))
    assert (fold.points, len(fold.consumed), fold.complete) == (40, 2, False)
    assert prepared(store, limits=Limits(fold=1)).points == 20
    assert prepared(store, limits=Limits(rows=3)).points == 60


def test_a_crash_between_preparing_and_writing_loses_nothing(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 200)))
    before = counts(store)
    prepared(store)
    assert counts(store) == before
    assert same_points(store.history(SERIES), steps(0, 200))


def test_a_crash_while_writing_loses_nothing(store: Store) -> None:
    # Given a scope with chunks, a pack and late points
    store.append(batch(1, 5, steps(0, 200)[::2]))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(0, 200)[1::2]))
    before = counts(store)
    fold = prepared(store)

    def crash(tx: Transaction) -> None:
        assert swap(tx, fold, store.keeper)
        raise SystemError("the machine dies before the commit")

    # When the transaction never commits
    with pytest.raises(SystemError):
        store.database.write_from_thread(crash)
    # Then all is as before, and the fold can be done again
    assert counts(store) == before
    assert same_points(store.history(SERIES), steps(0, 200))
    assert swapped(store, fold)
    assert same_points(store.history(SERIES), steps(0, 200))


def test_of_two_folds_of_the_same_points_the_second_writes_nothing(store: Store) -> None:
    for first_fold_of_the_scope in (True, False):
        start = 0 if first_fold_of_the_scope else 200
        store.append(batch(1, 5, steps(start, start + 200)))
        one, other = prepared(store), prepared(store)
        assert swapped(store, one)
        after = counts(store)
        assert not swapped(store, other)
        assert counts(store) == after
    assert same_points(store.history(SERIES), steps(0, 400))


def test_a_fold_that_misses_newer_rows_does_not_undo_a_fold_that_took_them(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 100)))
    old = prepared(store)
    store.append(batch(1, 5, steps(100, 200)))
    assert store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(200, 300)))
    assert not swapped(store, old)
    assert same_points(store.history(SERIES), steps(0, 300))


def test_rows_that_come_between_preparing_and_writing_stay(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 100)))
    fold = prepared(store)
    store.append(batch(1, 5, steps(100, 120)))
    assert swapped(store, fold)
    assert counts(store)[0] == 1
    assert same_points(store.history(SERIES), steps(0, 120))


@pytest.mark.parametrize("folded_before", [False, True])
def test_a_deleted_scope_stays_deleted(store: Store, folded_before: bool) -> None:
    # Given a fold that was prepared before its scope was deleted
    if folded_before:
        store.append(batch(1, 5, steps(0, 100)))
        store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(100, 200)), batch(2, 5, steps(0, 7)))
    fold = prepared(store)
    assert store.database.write_from_thread(lambda tx: engine.delete_scopes(tx, [1]))
    # When it is written, then it isn't
    assert not swapped(store, fold)
    assert store.history(SERIES) == []
    assert counts(store) == (1, 0, 0)
    assert same_points(store.history(series_id(2, 5)), steps(0, 7))


@pytest.mark.parametrize("points", [1, 100, 200, 10_000])
def test_deleting_goes_in_slices(store: Store, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given points in the log, in packs and in chunks
    monkeypatch.setattr("runyard.server.metrics.purge._CHUNK_POINTS", LIMITS.chunk)
    store.append(batch(1, 5, steps(0, 640)), batch(2, 5, steps(0, 64)), batch(3, 5, steps(0, 64)))
    store.fold(1, LIMITS)
    store.fold(2, LIMITS)
    store.append(batch(1, 5, steps(640, 700)), batch(1, 5, steps(700, 760)))
    # When
    sizes = [sum(counts(store))]
    while not store.database.write_from_thread(lambda tx: engine.delete_scopes(tx, [1, 2], points)):
        sizes.append(sum(counts(store)))
    # Then each slice deletes something, and the last one the rest
    assert sorted(set(sizes), reverse=True) == sizes
    assert len(sizes) >= 760 // (points + LIMITS.chunk)
    assert counts(store) == (1, 0, 0)
    assert same_points(store.history(series_id(3, 5)), steps(0, 64))


def test_stale_summaries_are_counted_anew(store: Store) -> None:
    # Given chunks, a pack and the log, and points that came late or twice
    store.append(batch(1, 5, steps(100, 300)), batch(1, 6, steps(50, 60)))
    store.fold(1, LIMITS)
    store.append(batch(1, 5, steps(0, 150)), batch(1, 6, [*steps(55, 65), (0, 0, float("nan"))]))
    assert store.keeper.stale(None, 1) == [series_id(1, 5), series_id(1, 6)]  # type: ignore[arg-type]
    # When the scope is folded
    store.fold(1, LIMITS)
    # Then they are exact
    for series, (summary, stale) in store.keeper.stored.items():
        assert not stale
        assert same_summary(summary, store.model.summary(series))


def test_a_summary_takes_what_came_while_it_was_counted(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 100)), batch(1, 5, steps(0, 100)))
    fold = prepared(store)
    # In order: the counts add.
    store.append(batch(1, 5, steps(100, 110)))
    assert swapped(store, fold)
    summary, stale = store.keeper.stored[SERIES]
    assert not stale
    assert same_summary(summary, store.model.summary(SERIES))
    # Late: the mark stays for the next fold.
    store.append(batch(1, 5, steps(0, 3)))
    fold = prepared(store)
    store.append(batch(1, 5, steps(50, 60)))
    assert swapped(store, fold)
    assert store.keeper.stored[SERIES][1]
    store.fold(1, LIMITS)
    summary, stale = store.keeper.stored[SERIES]
    assert not stale
    assert same_summary(summary, store.model.summary(SERIES))


def test_a_summary_whose_rows_wait_for_another_fold_is_left_alone(store: Store) -> None:
    store.append(batch(1, 5, steps(0, 20)))
    store.append(batch(1, 5, steps(0, 20)))
    fold = prepared(store, limits=Limits(fold=20))
    assert (fold.complete, fold.repaired) == (False, [])


def test_nothing_waits_nothing_to_fold(store: Store) -> None:
    assert store.fold(1) == 0
    assert store.database.read_here(log.backlog) == []
