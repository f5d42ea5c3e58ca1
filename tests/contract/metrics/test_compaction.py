"""The compactor: what it folds when, under a lease, and how it ends."""

from __future__ import annotations

import logging
import threading

import pytest

from runyard.server.db import Connection, reclaim
from runyard.server.db.lease import acquire, holder_of
from runyard.server.kernel.clock import now_ms
from runyard.server.kernel.errors import Unavailable
from runyard.server.metrics import fold as folds
from runyard.server.metrics import log
from runyard.server.metrics.compaction import LEASE, Compactor, Policy
from runyard.server.metrics.types import SeriesId, series_id
from tests.contract.metrics.conftest import Store, batch
from tests.contract.metrics.model import MemoryKeeper, same_points

POINTS = [(100 + at, at, at / 2) for at in range(30)]


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def compactor(store: Store, clock: Clock, holder: str = "here", policy: Policy = Policy()) -> Compactor:  # noqa: B008
    return Compactor(store.database, store.keeper, holder=holder, policy=policy, now_ms=clock)


def test_a_round_folds_what_is_due(store: Store, clock: Clock) -> None:
    # Given a scope with much and one with little in the log
    for at in range(0, 30, 3):
        store.append(batch(1, 5, POINTS[at : at + 3]))
    store.append(batch(2, 5, POINTS[:1]))
    here = compactor(store, clock, policy=Policy(rows=10, idle_ms=5_000))
    # When a round is run, then only the one is folded
    assert here.run_round() == 30
    assert (here.backlog_rows, here.backlog_points, here.folded_points) == (11, 31, 30)
    assert here.run_round() == 0
    assert (here.backlog_rows, here.backlog_points) == (1, 1)
    # Until nothing more came to the other for a while
    clock.ms += 5_000
    assert here.run_round() == 1
    assert here.run_round() == 0
    assert here.backlog_rows == 0
    assert same_points(store.history(series_id(1, 5)), POINTS)


def test_a_burst_of_idle_scopes_is_folded_with_rests(store: Store, clock: Clock) -> None:
    # Given scopes that all fell idle at one moment
    for scope in range(1, 9):
        store.append(batch(scope, 5, POINTS))
    policy = Policy(idle_ms=5_000, pause_seconds=0.0)
    here = compactor(store, clock, policy=policy)
    assert here.run_round() == 0
    clock.ms += 5_000
    # When a round has no time, then it folds one and looks again for what is urgent
    assert here.run_round() == len(POINTS)
    store.append(batch(9, 5, [(at, at, 0.5) for at in range(policy.points)]))
    assert here.run_round() == policy.points + len(POINTS)
    assert [here.run_round() for _ in range(7)] == [len(POINTS)] * 6 + [0]


def test_the_room_that_folded_rows_left_is_given_back(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given much that was folded
    monkeypatch.setattr(reclaim, "LEAST_BYTES", 0)
    points = [(at * 100, at, 1 / (at + 1)) for at in range(20_000)]
    for at in range(0, len(points), 2_000):
        store.append(batch(1, 5, points[at : at + 2_000]))
    here = compactor(store, clock)
    here.fold_all()
    unused = store.database.read_here(reclaim.reclaimable)
    # When the compactor has nothing else to do
    here.shrink()
    # Then the file is only as large as it need be
    assert unused == (store.database.dialect.name == "sqlite")
    assert not store.database.read_here(reclaim.reclaimable)
    assert same_points(store.history(series_id(1, 5)), points)


def test_one_process_has_the_lease(store: Store, clock: Clock) -> None:
    policy = Policy(rows=1)
    here, there = compactor(store, clock, "here", policy), compactor(store, clock, "there", policy)
    store.append(batch(1, 5, POINTS[:10]))
    assert here.run_round() == 10
    store.append(batch(1, 5, POINTS[10:20]))
    # The other has nothing to do, until the first has gone
    assert there.run_round() == 0
    here.stop()
    assert there.run_round() == 10
    # Or has been silent for too long.
    store.append(batch(1, 5, POINTS[20:]))
    assert here.run_round() == 0
    clock.ms += 31_000
    here = compactor(store, clock, "here", policy)
    assert here.run_round() == 10


def test_the_lease_is_renewed_in_time(store: Store, clock: Clock) -> None:
    here = compactor(store, clock, policy=Policy(rows=1))
    for at in range(10):
        store.append(batch(1, 5, POINTS[at : at + 1]))
        assert here.run_round() == 1
        clock.ms += 10_000
        holder = store.database.read_here(lambda connection: holder_of(connection, LEASE, now_ms=clock.ms))
        assert holder == "here"


def test_an_idle_server_takes_no_lease(store: Store, clock: Clock) -> None:
    assert compactor(store, clock).run_round() == 0
    assert store.database.read_here(lambda connection: holder_of(connection, LEASE, now_ms=clock.ms)) is None


def test_a_race_that_is_lost_is_no_error(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a fold whose scope somebody else folds for the first time before it is written
    class Overtaken(Compactor):
        def _swap(self, fold: folds.Fold) -> bool:
            compactor(store, clock, "there").fold_all()
            # On PostgreSQL both may have looked before either wrote.
            monkeypatch.setattr(folds, "lock_version", lambda tx, scope: None)
            monkeypatch.setattr(log, "lock_rows", lambda tx, scope, ids: True)
            return super()._swap(fold)

    store.append(batch(1, 5, POINTS))
    here = Overtaken(store.database, store.keeper, holder="here", now_ms=clock)
    # When it is written, then the database refuses it and nothing is lost or doubled
    here.fold_scope(1)
    assert here.folded_points == 0
    assert same_points(store.history(series_id(1, 5)), POINTS)


class _FailingKeeper(MemoryKeeper):
    """Fails once for a scope, then tells that it was asked again."""

    def __init__(self, scope: int, error: Exception) -> None:
        super().__init__()
        self._scope = scope
        self._error: Exception | None = error
        self.asked_again = threading.Event()

    def stale(self, connection: Connection, scope: int) -> list[SeriesId]:
        if scope == self._scope and self._error is not None:
            error, self._error = self._error, None
            raise error
        self.asked_again.set()
        return super().stale(connection, scope)


def test_a_scope_that_cannot_be_folded_does_not_stop_the_others(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # Given two scopes, of which the first can't be read
    store.append(batch(1, 5, POINTS), batch(2, 5, POINTS[:9]))
    keeper = _FailingKeeper(1, ValueError("format 9"))
    here = Compactor(store.database, keeper, holder="here", policy=Policy(rows=1), now_ms=clock)
    # When a round is run, then the other is folded, and the first is left alone for a while
    with caplog.at_level(logging.ERROR):
        assert here.run_round() == 9
        assert here.run_round() == 0
    assert caplog.text.count("scope 1 can't be folded") == 1
    clock.ms += 600_000
    assert here.run_round() == 30
    assert here.run_round() == 0


def test_the_thread_goes_on_after_an_error_and_ends_when_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a compactor whose first round fails
    keeper = _FailingKeeper(1, Unavailable("the database is away"))
    store.append(batch(1, 5, POINTS))
    here = Compactor(store.database, keeper, holder="here", policy=Policy(rows=1, pause_seconds=0.001))
    with caplog.at_level(logging.ERROR):
        here.start()
        # When it comes to the next round
        assert keeper.asked_again.wait(30)
        here.stop()
    # Then it told of the error, and folded, and gave the lease back
    assert "a round of compaction failed" in caplog.text
    assert here.folded_points == len(POINTS)
    taken = store.database.write_from_thread(
        lambda tx: acquire(tx, LEASE, "there", now_ms=now_ms(), ttl_ms=1)
    )
    assert taken
    assert same_points(store.history(series_id(1, 5)), POINTS)
