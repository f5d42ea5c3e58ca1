"""The one place that writes: mutations that wait are committed together.

The writer takes all mutations that wait, runs them in one transaction, commits once and answers all of
them. Nothing is answered before its commit. What fails alone is run again alone, so that one bad request
never spoils its neighbours; what the database aborts (deadlock, serialization) is run again whole.

A mutation must be safe to run twice: everything that it learns or changes outside the database goes
through `Transaction.after_commit`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from runyard.server.db.connection import Transaction
from runyard.server.db.connector import Connector
from runyard.server.db.dialects import Dialect, Fault
from runyard.server.kernel import clock
from runyard.server.kernel.errors import Conflict, RunyardError, StorageFull, Unavailable

T = TypeVar("T")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

MAX_GROUP = 256
MAX_ATTEMPTS = 4

log = logging.getLogger("runyard.db.writer")


class Bulk(Protocol[Item_contra, Result_co]):
    """A kind of mutation whose waiting items run together, with bulk statements.

    `run` answers one outcome per item, in order: a result, or the error that this item gets. An item
    with an error must not have written anything. What `run` raises makes the writer run each item alone.
    """

    def run(self, tx: Transaction, items: Sequence[Item_contra], /) -> Sequence[Result_co | RunyardError]: ...


@dataclass(slots=True, eq=False)
class _Pending(Generic[T]):
    bulk: Bulk[Any, T] | None
    work: Any  # the bulk's item, or the function of a transaction
    loop: asyncio.AbstractEventLoop | None
    future: Any
    outcome: Any = None


class _RunAlone(Exception):
    """A mutation failed after it had written: the group must be undone."""


class Writer:
    """The writer thread and its queue.

    Args:
        dialect: the database.
        connector: connects to it.
        observe: called after each group with the number of mutations and the seconds it took.
    """

    def __init__(
        self, dialect: Dialect, connector: Connector, observe: Callable[[int, float], None] | None = None
    ) -> None:
        self._dialect = dialect
        self._connector = connector
        self._observe = observe
        self._queue: SimpleQueue[_Pending[Any] | None] = SimpleQueue()
        self._driver: Any = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="runyard-writer", daemon=True)

    def start(self) -> None:
        """Connect and start the thread."""
        self._ensure_connected()
        self._thread.start()

    def close(self) -> None:
        """Commit and answer what waits, then stop. What comes later is refused."""
        self._closed = True
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._refuse_late()
        if self._driver is not None:
            self._driver.close()

    @property
    def waiting(self) -> int:
        """How many mutations wait for the next group."""
        return self._queue.qsize()

    @property
    def working(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _refuse_late(self) -> None:
        """Answer what slipped into the queue behind the end."""
        late: list[_Pending[Any]] = []
        while not self._queue.empty():
            pending = self._queue.get()
            if pending is not None:
                pending.outcome = Unavailable("The server is shutting down; try again in a moment.")
                late.append(pending)
        _answer(late)

    async def run(self, mutation: Callable[[Transaction], T]) -> T:
        """Run a function of a transaction in the next group; returns after its commit."""
        return await self._submit(None, mutation)  # type: ignore[no-any-return]

    async def run_bulk(self, bulk: Bulk[Any, T], item: Any) -> T:
        """Run an item of a bulk in the next group; returns after its commit."""
        return await self._submit(bulk, item)  # type: ignore[no-any-return]

    def run_from_thread(self, mutation: Callable[[Transaction], T]) -> T:
        """Like `run`, for callers outside the event loop; blocks until the commit."""
        self._refuse_when_closed()
        future: ThreadFuture[T] = ThreadFuture()
        self._queue.put(_Pending(None, mutation, None, future))
        return future.result()

    def _submit(self, bulk: Bulk[Any, Any] | None, work: Any) -> asyncio.Future[Any]:
        self._refuse_when_closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Pending(bulk, work, loop, future))
        return future

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unavailable("The server is shutting down; try again in a moment.")

    def _work(self) -> None:
        queue = self._queue
        while True:
            group: list[_Pending[Any]] = []
            pending = queue.get()
            stop = pending is None
            while pending is not None:
                group.append(pending)
                if len(group) >= MAX_GROUP:
                    break
                try:
                    pending = queue.get_nowait()
                except Empty:
                    break
                stop = pending is None
            if group:
                started = clock.monotonic()
                self._run_group(group)
                if self._observe is not None:
                    # First: who is answered finds itself counted.
                    self._observe(len(group), clock.monotonic() - started)
                _answer(group)
            if stop:
                return

    def _run_group(self, group: list[_Pending[Any]]) -> None:
        try:
            self._run_until_settled(group)
        except _RunAlone:
            for pending in group:
                try:
                    self._run_until_settled([pending])
                except RunyardError as error:
                    pending.outcome = error
                except Exception as error:  # noqa: BLE001 - handed to the caller, who logs and answers it
                    pending.outcome = error
        except Exception as error:  # noqa: BLE001 - as above
            for pending in group:
                pending.outcome = error

    def _run_until_settled(self, group: list[_Pending[Any]]) -> None:
        """Run a group, again where the database asks for it. Raises what its members must be told."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            committing = False
            try:
                self._ensure_connected()
                self._dialect.begin(self._driver, readonly=False)
                tx = Transaction(self._dialect, self._driver)
                _run_members(tx, group)
                committing = True
                self._driver.execute("COMMIT")
            except self._dialect.error as error:
                self._rollback()
                fault = self._dialect.fault(error)
                if fault is Fault.LOST:
                    self._disconnect()
                    if committing:
                        # Nobody can tell whether it was committed: running it again could do it twice.
                        raise _told(fault, error) from error
                if fault in (Fault.RETRY, Fault.LOST) and attempt < MAX_ATTEMPTS:
                    continue
                if fault in (Fault.INTEGRITY, Fault.OTHER) and len(group) > 1:
                    raise _RunAlone from error
                if fault is Fault.INTEGRITY and attempt == 1:
                    # Another process committed the same meanwhile: now the mutation sees it, and says so.
                    continue
                raise _told(fault, error) from error
            except (RunyardError, _RunAlone):
                self._rollback()
                raise
            except Exception as error:
                self._rollback()
                if len(group) > 1:
                    raise _RunAlone from error
                raise
            tx.committed()
            return

    def _ensure_connected(self) -> None:
        if self._driver is None:
            self._driver = self._connector.connect(readonly=False)

    def _disconnect(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _rollback(self) -> None:
        try:
            if self._driver is not None and self._dialect.in_transaction(self._driver):
                self._driver.execute("ROLLBACK")
        except self._dialect.error as error:
            log.warning("rollback failed, reconnecting: %s", error)
            self._disconnect()


def _run_members(tx: Transaction, group: list[_Pending[Any]]) -> None:
    """Run every member and note its outcome. Functions come first, in the order of their arrival.

    Requests of one client never share a group out of order: it sends the next after the answer.
    """
    bulks: dict[Bulk[Any, Any], list[_Pending[Any]]] = {}
    for pending in group:
        if pending.bulk is not None:
            bulks.setdefault(pending.bulk, []).append(pending)
            continue
        tx.dirty = False
        try:
            pending.outcome = pending.work(tx)
        except RunyardError as error:
            if tx.dirty:
                if len(group) > 1:
                    raise _RunAlone from error
                raise
            pending.outcome = error
    for bulk, members in bulks.items():
        try:
            outcomes = bulk.run(tx, [pending.work for pending in members])
        except RunyardError as error:
            if len(group) > 1:
                raise _RunAlone from error
            raise
        for pending, outcome in zip(members, outcomes, strict=True):
            pending.outcome = outcome


def _told(fault: Fault, error: Exception) -> Exception:
    if fault is Fault.FULL:
        return StorageFull(
            "The server's database has no room left; nothing of this request was stored. "
            "Free disk space on the server, then send the request again."
        )
    if fault is Fault.INTEGRITY:
        return Conflict("Another request changed the same thing at the same time; send the request again.")
    if fault in (Fault.RETRY, Fault.LOST, Fault.BUSY):
        return Unavailable("The database can't be reached or is busy; try again in a moment.")
    return error


def _answer(group: list[_Pending[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Pending[Any]]] = {}
    for pending in group:
        if pending.loop is None:
            _settle(pending)
        else:
            loops.setdefault(pending.loop, []).append(pending)
    for loop, members in loops.items():
        loop.call_soon_threadsafe(_settle_all, members)


def _settle_all(group: list[_Pending[Any]]) -> None:
    for pending in group:
        _settle(pending)


def _settle(pending: _Pending[Any]) -> None:
    if pending.future.done():  # the client went away; the commit stands
        return
    if isinstance(pending.outcome, BaseException):
        pending.future.set_exception(pending.outcome)
    else:
        pending.future.set_result(pending.outcome)
