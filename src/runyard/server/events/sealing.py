"""Sealing: gives events, in order, their place in the chain.

The order of sealing is what counts, not that of the ids: on PostgreSQL a transaction may commit after
another that got a larger id. Whatever isn't sealed yet is found by that alone, so nothing is passed over.

Of several processes the one with the lease seals. Two that do so at once can't spoil anything: an event is
sealed once, and a place in the chain is given once, by a constraint of the table.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.sql.base import Executable

from runyard.server.db import Connection, Database, Dialect, Query, Transaction
from runyard.server.db.lease import acquire, release
from runyard.server.events.chain import hash_of
from runyard.server.events.tables import event as e
from runyard.server.events.types import ORIGIN, Head, StoredEvent
from runyard.server.kernel import clock
from runyard.server.kernel.errors import Conflict

LEASE = "events.sealing"
_LEASE_MS = 30_000
# Events of one transaction: others wait while it runs.
SLICE = 200
# How often the head is written into the server's log, if it moves.
_TELL_MS = 3_600_000

_log = logging.getLogger("runyard.events")


def _unsealed(dialect: Dialect) -> Executable:
    # Locked, so that another sealer waits here and then finds them sealed. SQLite has one writer anyway.
    found = select(*e.c).where(e.c.sequence.is_(None))
    # By the sequence first, which none of them has: so its index is the one that PostgreSQL goes along.
    found = found.order_by(e.c.sequence, e.c.id).limit(bindparam("limit"))
    return found if dialect.name == "sqlite" else found.with_for_update()


_UNSEALED = Query(_unsealed)
_SEAL = Query(
    update(e)
    .where(e.c.id == bindparam("event_id"), e.c.sequence.is_(None))
    .values(sequence=bindparam("place"), hash=bindparam("code"))
)
_HEAD = Query(
    select(e.c.sequence, e.c.hash, e.c.time)
    .where(e.c.sequence.is_not(None))
    .order_by(e.c.sequence.desc())
    .limit(1)
)
_WAITING = Query(select(func.count()).select_from(e).where(e.c.sequence.is_(None)))


class State(NamedTuple):
    """How far the log is sealed, and how many events wait."""

    head: Head
    unsealed: int


def state(connection: Connection) -> State:
    """How far the log is sealed."""
    return State(_head(connection), connection.value(_WAITING))


def seal(tx: Transaction, limit: int = SLICE) -> int:
    """Seal the oldest events that aren't; returns how many."""
    found = [StoredEvent(*row) for row in tx.rows(_UNSEALED, limit=limit)]
    if not found:
        return 0
    # Read after the events are locked: what another sealer did meanwhile shows.
    head = _head(tx)
    rows = []
    before = head.hash
    for place, event in enumerate(found, head.sequence + 1):
        before = hash_of(before, event._replace(sequence=place))
        rows.append({"event_id": event.id, "place": place, "code": before})
    tx.execute_many(_SEAL, rows)
    return len(rows)


def _head(connection: Connection) -> Head:
    row = connection.row(_HEAD)
    return ORIGIN if row is None else Head(*row)


class Sealer:
    """Seals events in the background.

    Args:
        database: the started database.
        holder: this process's name for the lease, unique among the processes.
        pause_seconds: how often to look.
        now_ms: the clock.
    """

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        pause_seconds: float = 1.0,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._database = database
        self._holder = holder
        self._pause = pause_seconds
        self._now_ms = now_ms
        self._leased_until = 0
        self._told = ORIGIN
        self._told_at = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runyard-sealer", daemon=True)
        self.head = ORIGIN
        """The head at the last look."""
        self.unsealed = 0
        """How many events waited at the last look."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, seal what waits and give the lease back."""
        self._stopping.set()
        if not self._thread.is_alive():
            return
        self._thread.join()
        try:
            self.run_round()
            if self.head != self._told and self._leased_until:
                self._tell()
            self._database.write_from_thread(lambda tx: release(tx, LEASE, self._holder))
        except Exception:  # noqa: BLE001 - logged; the next start seals
            _log.exception("the activity log's end couldn't be sealed")

    def run_round(self) -> int:
        """Seal what waits, if this process has the lease; returns how many events."""
        self._look()
        if not self.unsealed or not self._have_lease():
            return 0
        sealed = count = self._seal()
        while count == SLICE and self._have_lease():
            count = self._seal()
            sealed += count
        self._look()
        if sealed and self._now_ms() >= self._told_at + _TELL_MS:
            self._tell()
        return sealed

    def _seal(self) -> int:
        try:
            return self._database.write_from_thread(seal)
        except Conflict:  # another process sealed the same
            return 0

    def _look(self) -> None:
        self.head, self.unsealed = self._database.read_here(state)

    def _tell(self) -> None:
        """Write the head where it outlives the database: a log is mostly kept elsewhere too."""
        self._told, self._told_at = self.head, self._now_ms()
        _log.info("the activity log is sealed up to %s", self.head)

    def _have_lease(self) -> bool:
        """Whether the lease is held, for as long as a slice may take."""
        now = self._now_ms()
        if now < self._leased_until - _LEASE_MS // 2:
            return True
        taken = self._database.write_from_thread(
            lambda tx: acquire(tx, LEASE, self._holder, now_ms=now, ttl_ms=_LEASE_MS)
        )
        self._leased_until = now + _LEASE_MS if taken else 0
        return taken

    def _work(self) -> None:
        pause = self._pause
        while not self._stopping.wait(pause):
            try:
                self.run_round()
                pause = self._pause
            except Exception:  # noqa: BLE001 - logged; a later round tries again, and nothing was lost
                _log.exception("a round of sealing failed")
                pause = 10 * self._pause
