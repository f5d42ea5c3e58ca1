"""What workspaces and experiments hold in sum.

A row that every writer locks would make the writers wait for one another. So each process keeps in
memory what it has added, and adds it to the stored sums once a second. What it compares with a quota is
what it last read (at most a second ago) and its own additions: exact while one process writes; with
several, as much too much as the others accept in about two seconds. What a crash loses `Recount` finds.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import RunyardError
from runyard.server.workspaces.store import usage as store
from runyard.server.workspaces.store.usage import Key
from runyard.server.workspaces.types import Scope, Sums

FLUSH_SECONDS = 1.0
_READ_AGAIN_SECONDS = 1.0
_MAX_KNOWN = 10_000

log = logging.getLogger("runyard.workspaces.usage")


class _Known(NamedTuple):
    """What was stored when it was read, and what this process has stored since."""

    read: float
    sums: Sums


class Usage:
    """The sums of this process. As a context manager it stores them every second, and at its end.

    Args:
        database: where they are stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Additions come from the writer's thread and from the event loop.
        self._lock = threading.Lock()
        # Additions as they come, by workspace, experiment and run; the same by what they are of.
        self._added: dict[tuple[int, int, int | None], list[Sums]] = {}
        self._pending: dict[Key, Sums] = {}
        self._sending: dict[Key, Sums] = {}
        self._held: dict[Key, int] = {}
        self._known: dict[Key, _Known] = {}
        self._flushing = asyncio.Lock()
        self._sent_in: Transaction | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, workspace: int, experiment: int, more: Sums, *, run: int | None = None) -> None:
        """Count something that is stored now, or with negative numbers, that is gone."""
        with self._lock:
            self._added.setdefault((workspace, experiment, run), []).append(more)

    def _settle(self) -> None:
        """Sort what was added; the lock is held."""
        for owner, sums in self._added.items():
            more = sum(sums, Sums())
            for key in _keys(*owner):
                self._pending[key] = self._pending.get(key, Sums()) + more
        self._added.clear()

    def runs_gone(
        self, tx: Transaction, workspace: int, experiment: int, runs: Sequence[int], points: int
    ) -> None:
        """Uncount runs in the transaction that destroys them; their files are uncounted as they go."""
        gone = Sums(points=-points, runs=-len(runs))
        store.add(tx, {(Scope.WORKSPACE, workspace): gone, (Scope.EXPERIMENT, experiment): gone})
        store.forget(tx, Scope.RUN, runs)
        tx.after_commit(self.forget)

    def files_gone(self, tx: Transaction, gone: Mapping[tuple[int, int, int | None], Sums]) -> None:
        """Uncount files, by workspace, experiment and run, in the transaction that forgets them."""
        changes: dict[Key, Sums] = {}
        for owner, sums in gone.items():
            for key in _keys(*owner):
                changes[key] = changes.get(key, Sums()) - sums
        store.add(tx, changes)
        tx.after_commit(self.forget)

    def experiment_gone(self, tx: Transaction, workspace: int, experiment: int) -> None:
        """Uncount whatever is still counted of an experiment, in the transaction that destroys it."""
        left = store.sums(tx, (Scope.EXPERIMENT, experiment))
        if left:
            store.add(tx, {(Scope.WORKSPACE, workspace): Sums() - left})
        store.forget(tx, Scope.EXPERIMENT, [experiment])
        tx.after_commit(self.forget)

    def workspace_gone(self, tx: Transaction, workspace: int) -> None:
        """Forget a workspace, in the transaction that destroys it."""
        store.forget(tx, Scope.WORKSPACE, [workspace])
        tx.after_commit(self.forget)

    def hold(self, keys: list[Key], size: int) -> None:
        """Keep room for bytes that are on their way; with a negative size, give it back."""
        for key in keys:
            left = self._held.get(key, 0) + size
            if left:
                self._held[key] = left
            else:
                self._held.pop(key, None)

    def total(self, connection: Connection, key: Key) -> Sums:
        """What is stored, what this process adds to it, and what is on its way."""
        now = clock.monotonic()
        if connection is self._sent_in:
            # It has been told already what is being sent.
            return store.sums(connection, key) + self._own(key) - self._sending.get(key, Sums())
        known = self._known.get(key)
        if known is None or now >= known.read + _READ_AGAIN_SECONDS:
            known = _Known(now, store.sums(connection, key))
            self._remember(key, known)
        return known.sums + self._own(key)

    def sum_of(self, connection: Connection, scope: Scope, ids: Sequence[int]) -> Sums:
        """What is stored in some of one kind together, read now, and what this process adds to it."""
        stored = store.some(connection, scope, ids)
        return sum((stored[one] + self._own((scope, one)) for one in ids), Sums())

    def last_total(self, key: Key) -> Sums:
        """The same by what was read last."""
        known = self._known.get(key)
        return self._own(key) if known is None else known.sums + self._own(key)

    def _own(self, key: Key) -> Sums:
        with self._lock:
            self._settle()
            own = self._pending.get(key, Sums()) + self._sending.get(key, Sums())
        return own + Sums(size=self._held.get(key, 0))

    def _remember(self, key: Key, known: _Known) -> None:
        with self._lock:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = known

    async def flush(self) -> None:
        """Store what this process has added."""
        async with self._flushing:
            with self._lock:
                self._settle()
                self._sending, self._pending = self._pending, {}
            if not self._sending:
                return
            try:
                await self._database.write(self._send)
            except BaseException:
                with self._lock:
                    for key, sums in self._sending.items():
                        self._pending[key] = self._pending.get(key, Sums()) + sums
                    self._sending, self._sent_in = {}, None
                raise

    def _send(self, tx: Transaction) -> None:
        # Whoever reads in this transaction sees what is sent already.
        self._sent_in = tx
        store.add(tx, self._sending)
        tx.after_commit(self._sent)

    def _sent(self) -> None:
        with self._lock:
            for key, sums in self._sending.items():
                known = self._known.get(key)
                if known is not None:
                    self._known[key] = _Known(known.read, known.sums + sums)
            self._sending = {}
            self._sent_in = None

    def forget(self) -> None:
        """Read all sums anew: somebody else has changed them."""
        with self._lock:
            self._known.clear()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        stopping = False
        while not stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), FLUSH_SECONDS)
            stopping = self._stopping.is_set()
            try:
                await self.flush()
            except RunyardError as error:
                log.warning("what was counted isn't stored yet: %s", error)
            except Exception:
                log.exception("what was counted isn't stored yet")


def _keys(workspace: int, experiment: int, run: int | None) -> list[Key]:
    keys = [(Scope.WORKSPACE, workspace), (Scope.EXPERIMENT, experiment)]
    return keys if run is None else [*keys, (Scope.RUN, run)]
