"""The background work that keeps the log short: which scopes to fold, and when.

One thread per server process, and of several processes the one that has the lease. Folds check for
themselves that nobody else folded the scope, so a lease that was lost costs time and no data.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runyard.server.db import Database
from runyard.server.db.lease import acquire, release
from runyard.server.db.reclaim import reclaim, reclaimable
from runyard.server.kernel import clock
from runyard.server.kernel.errors import Conflict, RunyardError
from runyard.server.metrics.log import Backlog, backlog
from runyard.server.metrics.types import SummaryKeeper

if TYPE_CHECKING:
    from runyard.server.metrics.distribution import Limits
    from runyard.server.metrics.fold import Fold

LEASE = "metrics.compaction"
_LEASE_MS = 30_000
_RETRY_MS = 600_000
# Slices of unused room that a round without folds gives back.
_SLICES = 16

_log = logging.getLogger("runyard.metrics.compaction")


@dataclass(frozen=True, slots=True)
class Policy:
    """When a scope is folded. What waits is read again with each page and chart, so it must stay short.

    Attributes:
        rows: so many of its rows wait.
        points: or so many of its points.
        growing: a scope that grew by an eighth since the last look waits for so many times as much: one
            fold of much writes each point once, where several of little write it again and again.
        idle_ms: or something waits and nothing came for so long.
        total_rows: while more wait in all, the scopes with the most go too.
        pause_seconds: how often to look.
        rest: after a fold that only idleness asked for, so many times its duration nothing is done: many runs
            may have ended at one moment, and nobody waits for this.
    """

    rows: int = 256
    points: int = 65_536
    growing: int = 4
    idle_ms: int = 60_000
    total_rows: int = 200_000
    pause_seconds: float = 1.0
    rest: float = 4.0


class Due(NamedTuple):
    """The scopes to fold now, in each list the longest backlog first.

    Attributes:
        urgent: those whose backlog is long.
        idle: those that wait only because nothing came for a while.
    """

    urgent: list[int]
    idle: list[int]


class Schedule:
    """Remembers since when each scope's backlog is as it is, and says which scopes are due."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._since: dict[int, tuple[Backlog, int]] = {}

    def due(self, waiting: Iterable[Backlog], now_ms: int) -> Due:
        """The scopes to fold now."""
        policy, known = self._policy, self._since
        self._since = {}
        total, due = 0, Due([], [])
        for entry in sorted(waiting, key=_weight):
            total += entry.rows
            seen, since = known.get(entry.scope, (None, now_ms))
            if seen != entry:
                since = now_ms
            self._since[entry.scope] = (entry, since)
            patience = policy.growing if seen is not None and _grew(seen, entry) else 1
            if (
                entry.rows >= policy.rows * patience
                or entry.points >= policy.points * patience
                or total > policy.total_rows
            ):
                due.urgent.append(entry.scope)
            elif now_ms - since >= policy.idle_ms:
                due.idle.append(entry.scope)
        due.urgent.reverse()
        due.idle.reverse()
        return due


class Compactor:
    """Folds scopes in the background.

    Args:
        database: the started database.
        keeper: who stores the summaries.
        holder: this process's name for the lease, unique among the processes.
        policy: when to fold.
        limits: how much one fold does; None for the defaults.
        now_ms: the clock.
    """

    def __init__(
        self,
        database: Database,
        keeper: SummaryKeeper,
        *,
        holder: str,
        policy: Policy = Policy(),
        limits: Limits | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._holder = holder
        self._policy = policy
        self._limits = limits
        self._now_ms = now_ms
        self._schedule = Schedule(policy)
        self._leased_until = 0
        self._not_before: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runyard-compactor", daemon=True)
        self.backlog_rows = 0
        """Rows that waited in the log at the last look."""
        self.backlog_points = 0
        """Points that they held."""
        self.folded_points = 0
        """Points folded since the start."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the fold at work, give the lease back and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._leased_until:
            self._leased_until = 0
            self._database.write_from_thread(lambda tx: release(tx, LEASE, self._holder))

    def run_round(self) -> int:
        """Fold the scopes that are due, if this process has the lease; returns the points folded."""
        waiting = self._look()
        due = self._schedule.due(waiting, self._now_ms())
        if not (due.urgent or due.idle) or not self._have_lease():
            return 0
        before = self.folded_points
        for scope in due.urgent:
            if self._stopping.is_set() or not self._have_lease():
                return self.folded_points - before
            self._try_scope(scope)
        self._fold_gently(due.idle)
        return self.folded_points - before

    def _fold_gently(self, scopes: Iterable[int]) -> None:
        """Fold scopes with rests between them, until it is time to look for urgent ones."""
        end = clock.monotonic() + self._policy.pause_seconds
        for scope in scopes:
            started = clock.monotonic()
            if self._stopping.is_set() or not self._have_lease():
                return
            self._try_scope(scope)
            self._stopping.wait(self._policy.rest * (clock.monotonic() - started))
            if clock.monotonic() >= end:
                return

    def shrink(self) -> None:
        """Give some of the room that folded rows have left back to the file system, if it is much."""
        for _ in range(_SLICES):
            if self._stopping.is_set() or not self._database.read_here(reclaimable):
                return
            self._database.write_from_thread(reclaim)

    def fold_all(self) -> None:
        """Fold everything that waits, due or not and without the lease: for tools and tests."""
        for entry in self._look():
            self.fold_scope(entry.scope)
        self._look()

    def fold_scope(self, scope: int) -> None:
        """Fold all that waits in a scope now, a slice per transaction."""
        while not self._stopping.is_set():
            fold = self._prepare(scope)
            if fold is None:
                return
            if not self._swap(fold):
                _log.info("scope %d was folded or deleted by somebody else meanwhile", scope)
                return
            self.folded_points += fold.points
            if fold.complete:
                return

    def _try_scope(self, scope: int) -> None:
        """Fold a scope; one that can't be folded doesn't keep the others from it."""
        now = self._now_ms()
        if now < self._not_before.get(scope, now):
            return
        try:
            self.fold_scope(scope)
        except (RunyardError, self._database.dialect.error):
            raise  # the database's trouble, not the scope's
        except Exception:  # noqa: BLE001 - logged
            _log.exception("scope %d can't be folded; its points stay in the log", scope)
            self._not_before[scope] = now + _RETRY_MS
        else:
            self._not_before.pop(scope, None)

    def _prepare(self, scope: int) -> Fold | None:
        # numpy waits for the first fold.
        from runyard.server.metrics.distribution import DEFAULT_LIMITS
        from runyard.server.metrics.fold import prepare

        limits = self._limits or DEFAULT_LIMITS
        return self._database.read_here(lambda connection: prepare(connection, scope, self._keeper, limits))

    def _swap(self, fold: Fold) -> bool:
        from runyard.server.metrics.fold import swap

        try:
            return self._database.write_from_thread(lambda tx: swap(tx, fold, self._keeper))
        except Conflict:  # two processes folded the scope for the first time
            return False

    def _look(self) -> list[Backlog]:
        waiting = self._database.read_here(backlog)
        self.backlog_rows = sum(entry.rows for entry in waiting)
        self.backlog_points = sum(entry.points for entry in waiting)
        return waiting

    def _have_lease(self) -> bool:
        """Whether the lease is held, for as long as a fold may take."""
        now = self._now_ms()
        if now < self._leased_until - _LEASE_MS // 2:
            return True
        taken = self._database.write_from_thread(
            lambda tx: acquire(tx, LEASE, self._holder, now_ms=now, ttl_ms=_LEASE_MS)
        )
        self._leased_until = now + _LEASE_MS if taken else 0
        return taken

    def _work(self) -> None:
        usual = pause = self._policy.pause_seconds
        while not self._stopping.wait(pause):
            started = clock.monotonic()
            try:
                folded = self.run_round()
                if not folded:
                    self.shrink()
            except Exception:  # noqa: BLE001 - logged; a later round tries again, and nothing was lost
                _log.exception("a round of compaction failed")
                pause = 10 * usual
                continue
            # A look at a long backlog takes a moment: it must not become all that this thread does.
            pause = usual if folded else max(usual, 20 * (clock.monotonic() - started))


def _grew(seen: Backlog, entry: Backlog) -> bool:
    """Whether a backlog grew by an eighth; one that was folded meanwhile counts from nothing."""
    since = seen.points if seen.points <= entry.points else 0
    return entry.points - since > entry.points // 8


def _weight(entry: Backlog) -> tuple[int, int]:
    return entry.rows, entry.points
