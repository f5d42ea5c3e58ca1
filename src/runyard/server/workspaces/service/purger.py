"""The background work of the trash: what has lain in it for its time goes, and what is marked is destroyed.

One task per server process, and of several processes the one that has the lease. The work is made of short
transactions, and each leaves behind what can be gone on with: after a kill another round, of whatever
process, takes up what is marked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from runyard.server.auth import DEFAULT_WORKSPACE, Access, Identity, Principal, PrincipalKind, note
from runyard.server.db import Connection, Database, Transaction
from runyard.server.db.lease import acquire, release
from runyard.server.kernel import clock
from runyard.server.workspaces.service.kinds import Destroy, Stopped, TrashEntry, TrashKind

LEASE = "trash.purge"
DAY_MS = 24 * 3_600_000
_LEASE_MS = 20_000
# How often to look for what has lain long enough.
_PAUSE_SECONDS = 3600.0
# When another process is at work, or was until it died.
_TURN_SECONDS = 10.0
# When something went wrong.
_RETRY_SECONDS = 60.0
# Entries of a slice that marks what goes.
_SLICE = 1000
# Names of entries that an event lists.
_MOST_NAMED = 100
# As the log calls it everywhere else.
_LOGGED = {"service_principal": "service"}

# Who does what nobody asked for.
SYSTEM = Principal(
    Identity(0, "runyard", PrincipalKind.LOCAL, is_admin=True),
    DEFAULT_WORKSPACE,
    Access(admin=True),
    "background",
)

_log = logging.getLogger("runyard.trash")


class Round(NamedTuple):
    """How a round went.

    Attributes:
        seconds: how long until the next.
        done: whether all is destroyed that could be.
    """

    seconds: float
    done: bool


class Purger:
    """Marks what has lain in the trash for its time, and destroys what is marked.

    Args:
        database: the started database.
        kinds: what can lie in the trash.
        pending: each says whether something is marked.
        steps: destroy what is marked, in this order.
        days: how long things lie in the trash; 0 for ever.
        holder: this process's name for the lease, unique among the processes of a database.
        now_ms: the clock.
    """

    def __init__(
        self,
        database: Database,
        kinds: Sequence[TrashKind],
        pending: Sequence[Callable[[Connection], bool]],
        steps: Sequence[Destroy],
        *,
        days: int,
        holder: str,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._database = database
        self._kinds = kinds
        self._pending = pending
        self._steps = steps
        self._days = days
        self._holder = holder
        self._now_ms = now_ms
        self._leased_until = 0
        self._stopping = False
        self._woken = asyncio.Event()
        self._waiting: list[asyncio.Future[bool]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task; its first round is at once."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End the slice at work, give the lease back and end the task."""
        self._stopping = True
        self._woken.set()
        if self._task is not None:
            await self._task

    async def soon(self, seconds: float) -> bool:
        """Begin a round now; whether it has destroyed all that it could within so many seconds."""
        if self._task is None or self._stopping:
            return False
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await waiting
        return False

    async def round(self) -> Round:
        """One round.

        Raises:
            Stopped: it ended early, or another process is at work.
        """
        now = self._now_ms()
        if not await self._database.read(partial(self._has_work, now)):
            return Round(_PAUSE_SECONDS, done=True)
        await self._go_on()
        try:
            await self._expire(now)
            left = [await step(now, self._go_on) for step in self._steps]
        finally:
            self._leased_until = 0
            await self._database.write(lambda tx: release(tx, LEASE, self._holder))
        failed = any(one.failed for one in left)
        waits = [(one.later - self._now_ms()) / 1000 for one in left if one.later is not None]
        wait = min([*waits, _RETRY_SECONDS if failed else _PAUSE_SECONDS])
        return Round(max(1.0, wait), done=not failed)

    def _has_work(self, now: int, connection: Connection) -> bool:
        """Whether a round has anything to do: a server where nothing is deleted writes nothing."""
        if any(pending(connection) for pending in self._pending):
            return True
        before = now - self._days * DAY_MS
        return bool(self._days) and any(kind.expired(connection, before, 1) for kind in self._kinds)

    async def _expire(self, now: int) -> None:
        """Mark what has lain in the trash for its time."""
        if not self._days:
            return
        before = now - self._days * DAY_MS
        for kind in self._kinds:
            while entries := await self._database.read(partial(_expired, kind, before)):
                await self._go_on()
                await self._database.write(partial(_expire, kind, entries, now, self._days))

    async def _go_on(self) -> None:
        if self._stopping or not await self._have_lease():
            raise Stopped

    async def _have_lease(self) -> bool:
        """Whether the lease is held, for as long as a slice may take."""
        now = self._now_ms()
        if now < self._leased_until - _LEASE_MS // 2:
            return True
        taken = await self._database.write(
            lambda tx: acquire(tx, LEASE, self._holder, now_ms=now, ttl_ms=_LEASE_MS)
        )
        self._leased_until = now + _LEASE_MS if taken else 0
        return taken

    async def _work(self) -> None:
        while not self._stopping:
            self._woken.clear()
            waiting, self._waiting = self._waiting, []
            done = False
            try:
                seconds, done = await self.round()
            except Stopped:
                seconds = _TURN_SECONDS
            except Exception:  # noqa: BLE001 - logged
                _log.exception("a round of purging failed; the next one goes on with it")
                seconds = _RETRY_SECONDS
            for one in waiting:
                if not one.done():
                    one.set_result(done)
            if not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._woken.wait()


def note_entries(
    tx: Transaction,
    principal: Principal,
    action: str,
    entries: Sequence[TrashEntry],
    workspace_id: int | None = None,
    **detail: Any,
) -> None:
    """Note what is done with entries of one kind: one event, with their number and the first ids."""
    kind, named = entries[0].kind, entries[:_MOST_NAMED]
    told = {"count": len(entries), "ids": [entry.id for entry in named], **detail}
    targets = told["ids"]
    # The server's matter; of a workspace, too: nobody reads the log of one that is gone.
    if entries[0].place is None:
        workspace_id, targets = 0, [entry.name for entry in named]
        if kind != "workspace":
            told["names"] = targets
    target = targets[0] if len(entries) == 1 else ""
    note(tx, principal, action, _LOGGED.get(kind, kind), target, workspace_id=workspace_id, **told)


def _expired(kind: TrashKind, before: int, connection: Connection) -> list[TrashEntry]:
    return kind.expired(connection, before, _SLICE)


def _expire(kind: TrashKind, entries: Sequence[TrashEntry], now: int, days: int, tx: Transaction) -> None:
    kind.mark(tx, entries, now)
    by_workspace = attrgetter("workspace_id")
    for workspace, group in groupby(sorted(entries, key=by_workspace), by_workspace):
        note_entries(tx, SYSTEM, "trash.purge", list(group), workspace, after_days=days)
