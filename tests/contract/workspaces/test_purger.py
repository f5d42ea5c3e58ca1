"""The trash's background work: who does it, when, and what becomes of it when something goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from runyard.server.db import Connection, Database
from runyard.server.db.lease import acquire, holder_of
from runyard.server.workspaces.service import Left, Purger
from runyard.server.workspaces.service.kinds import GoOn, Stopped
from runyard.server.workspaces.service.purger import LEASE

pytestmark = pytest.mark.anyio

NOW = 1_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """A step that notes its rounds, and something to do for it."""

    def __init__(self) -> None:
        self.waits = True
        self.rounds: list[int] = []
        self.left = Left()
        self.error: Exception | None = None
        self.endless = False
        self.begun = asyncio.Event()

    def pending(self, connection: Connection) -> bool:
        del connection
        return self.waits

    async def step(self, now: int, go_on: GoOn) -> Left:
        self.rounds.append(now)
        self.begun.set()
        if self.error is not None:
            raise self.error
        while self.endless:
            await go_on()
            await asyncio.sleep(0)
        return self.left


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def _purger(database: Database, work: Work, clock: Clock, holder: str = "this") -> Purger:
    return Purger(database, [], [work.pending], [work.step], days=30, holder=holder, now_ms=clock)


def _holder(database: Database, now: int = NOW) -> str | None:
    return database.read_here(lambda c: holder_of(c, LEASE, now_ms=now))


async def test_without_work_nothing_is_written(database: Database) -> None:
    # Given
    work, groups = Work(), []
    work.waits = False
    database._writer._observe = lambda size, seconds: groups.append(size)
    # When
    await _purger(database, work, Clock()).round()
    # Then
    assert (work.rounds, groups) == ([], [])


async def test_a_round_gives_the_lease_back(database: Database) -> None:
    work = Work()
    await _purger(database, work, Clock()).round()
    assert work.rounds == [NOW]
    assert _holder(database) is None


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (Left(), 3600.0),
        (Left(NOW + 50_000), 50.0),
        (Left(NOW - 5), 1.0),
        (Left(NOW + 10**9), 3600.0),
        (Left(None, failed=True), 60.0),
        (Left(NOW + 50_000, failed=True), 50.0),
    ],
)
async def test_what_can_not_go_yet_brings_the_next_round(
    database: Database, left: Left, seconds: float
) -> None:
    work = Work()
    work.left = left
    assert await _purger(database, work, Clock()).round() == (seconds, not left.failed)


async def test_of_two_processes_one_works_and_the_other_takes_over(database: Database) -> None:
    # Given a process that died while it had the lease
    clock, work = Clock(), Work()
    await database.write(lambda tx: acquire(tx, LEASE, "other", now_ms=NOW, ttl_ms=20_000))
    purger = _purger(database, work, clock)
    # Then
    with pytest.raises(Stopped):
        await purger.round()
    assert (work.rounds, _holder(database)) == ([], "other")
    # When its lease has ended
    clock.now += 20_001
    await purger.round()
    # Then
    assert work.rounds == [clock.now]


async def test_who_asks_learns_whether_all_is_done(database: Database) -> None:
    # Given
    work = Work()
    purger = _purger(database, work, Clock())
    assert not await purger.soon(0.1)  # it doesn't work yet
    purger.start()
    # Then
    assert await purger.soon(10)
    # When it fails, as a whole or in part
    work.error = OSError("the disk is gone")
    assert not await purger.soon(10)
    work.error, work.left = None, Left(failed=True)
    assert not await purger.soon(10)
    # Then the next round goes on
    work.left = Left()
    assert await purger.soon(10)
    await purger.stop()
    assert not await purger.soon(0.1)
    assert _holder(database) is None


async def test_a_stop_ends_a_long_round_between_two_slices(database: Database) -> None:
    # Given
    work = Work()
    work.endless = True
    purger = _purger(database, work, Clock())
    purger.start()
    await work.begun.wait()
    # Then
    assert not await purger.soon(0.01)
    await purger.stop()
    assert _holder(database) is None
