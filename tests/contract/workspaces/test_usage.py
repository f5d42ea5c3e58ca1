"""What is held in sum: counted in memory, stored together, counted anew where it got lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from runyard.server.auth import LOCAL
from runyard.server.db import Database, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.kernel.errors import QuotaExceeded, Unavailable
from runyard.server.tracking.service import Keys, RunLog, Runs, WorkspaceContents
from runyard.server.tracking.store import points
from runyard.server.tracking.types import MetricPoints, RunBatch, Tag
from runyard.server.workspaces.service import Directory, Room, Usage, Workspaces
from runyard.server.workspaces.service import usage as usage_module
from runyard.server.workspaces.store import usage as store
from runyard.server.workspaces.types import Scope, Sums

WORKSPACE: store.Key = (Scope.WORKSPACE, 1)
EXPERIMENT: store.Key = (Scope.EXPERIMENT, 0)


def stored(database: Database, key: store.Key) -> Sums:
    """What the database has."""
    return database.read_here(lambda c: store.sums(c, key))


def total(database: Database, usage: Usage, key: store.Key) -> Sums:
    """What a process knows."""
    return database.read_here(lambda c: usage.total(c, key))


class Process:
    """What one server process has, on a database that it shares."""

    def __init__(self, database: Database) -> None:
        keys, self.directory = Keys(), Directory()
        self.usage = Usage(database)
        self.room = Room(database, self.directory, self.usage)
        self.runs, self.log = Runs(database, keys, self.room), RunLog(database, keys, self.room)
        self.workspaces = Workspaces(database, WorkspaceContents(), self.usage, lambda: None)
        self.database = database

    async def new_run(self) -> str:
        """A new run's id."""
        made = await self.runs.create(LOCAL, experiment_id=0, name="r", user_id="u", start_time=1, tags=[])
        return made.info.uuid

    async def log_points(self, run: str, count: int) -> None:
        """Log points of one metric."""
        steps = list(range(count))
        sent = MetricPoints(["m"], None, [1.0] * count, steps, steps, None)
        await self.log.log(LOCAL, RunBatch(run, sent, [], []))


def test_what_is_counted_is_stored_together(database: Database) -> None:
    async def scenario() -> None:
        # Given two processes
        one, other = Usage(database), Usage(database)
        one.add(1, 0, Sums(points=5, runs=1))
        one.add(1, 0, Sums(size=100, files=1), run=7)
        other.add(1, 0, Sums(points=3))
        # Then each knows its own
        assert total(database, one, WORKSPACE) == Sums(5, 1, 100, 1)
        assert total(database, other, EXPERIMENT) == Sums(points=3)
        assert stored(database, WORKSPACE) == Sums()
        # When
        await one.flush()
        await other.flush()
        await other.flush()
        # Then
        assert stored(database, WORKSPACE) == stored(database, EXPERIMENT) == Sums(8, 1, 100, 1)
        assert stored(database, (Scope.RUN, 7)) == Sums(size=100, files=1)
        # And what it has stored itself it knows at once, what others have after a second
        assert total(database, one, WORKSPACE) == Sums(5, 1, 100, 1)
        one.forget()
        assert total(database, one, WORKSPACE) == Sums(8, 1, 100, 1)

    asyncio.run(scenario())


def test_nothing_is_lost_or_counted_twice_when_storing_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(mutation: object) -> None:
        raise Unavailable("away")

    async def scenario() -> None:
        # Given
        usage = Usage(database)
        usage.add(1, 0, Sums(points=5))
        with monkeypatch.context() as patch:
            patch.setattr(database, "write", away)
            # When
            with pytest.raises(Unavailable):
                await usage.flush()
        usage.add(1, 0, Sums(points=1))
        # Then
        assert total(database, usage, WORKSPACE) == Sums(points=6)
        await usage.flush()
        assert total(database, usage, WORKSPACE) == stored(database, WORKSPACE) == Sums(points=6)

    asyncio.run(scenario())


def test_a_transaction_in_which_sums_are_stored_sees_them_once(database: Database) -> None:
    async def scenario() -> None:
        # Given
        usage, seen = Usage(database), []
        usage.add(1, 0, Sums(points=5))
        send = usage._send

        def send_and_look(tx: Transaction) -> None:
            send(tx)
            usage.add(1, 0, Sums(points=1))
            seen.append(usage.total(tx, WORKSPACE))

        usage._send = send_and_look  # type: ignore[method-assign]
        # When
        await usage.flush()
        # Then
        assert seen == [Sums(points=6)]
        assert total(database, usage, WORKSPACE) == Sums(points=6)

    asyncio.run(scenario())


def test_sums_are_stored_by_themselves_and_at_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "FLUSH_SECONDS", 0.01)

    async def scenario() -> None:
        usage, flushed = Usage(database), asyncio.Event()
        flush = usage.flush

        async def flush_and_tell() -> None:
            await flush()
            if stored(database, WORKSPACE):
                monkeypatch.setattr(usage_module, "FLUSH_SECONDS", 3600.0)
                flushed.set()

        usage.flush = flush_and_tell  # type: ignore[method-assign]
        async with usage:
            # When
            usage.add(1, 0, Sums(points=5))
            await flushed.wait()
            assert stored(database, WORKSPACE) == Sums(points=5)
            usage.add(1, 0, Sums(points=1))
        # Then
        assert stored(database, WORKSPACE) == Sums(points=6)

    asyncio.run(scenario())


def test_a_quota_counts_what_other_processes_have_stored(database: Database) -> None:
    async def scenario() -> None:
        # Given
        one, other = Process(database), Process(database)
        await one.workspaces.ensure_default()
        await one.workspaces.set_quotas(LOCAL, {"points_per_experiment": 10})
        for process in (one, other):
            database.read_here(lambda c, p=process: p.directory.find(c, "default"))  # type: ignore[misc]
        run = await one.new_run()
        # When
        await one.log_points(run, 8)
        await one.usage.flush()
        # Then
        with pytest.raises(QuotaExceeded, match="has 8 of 10 points"):
            await other.log_points(run, 3)
        await other.log_points(run, 2)
        assert total(database, other.usage, EXPERIMENT).points == 10

    asyncio.run(scenario())


def test_runs_that_go_for_good_leave_the_sums(database: Database) -> None:
    async def scenario() -> None:
        # Given
        process = Process(database)
        await process.workspaces.ensure_default()
        names = [await process.new_run() for _ in range(3)]
        for run in names:
            await process.log_points(run, 5)
        ids = database.read_here(lambda c: WorkspaceContents().run_ids(c, names))
        for run in names:
            process.usage.add(1, 0, Sums(size=10, files=1), run=ids[run])
        await process.usage.flush()
        gone = [ids[run] for run in names[:2]]

        def purge(tx: Transaction) -> None:
            process.usage.runs_gone(tx, 1, 0, gone, points.remove(tx, gone))

        # When
        await database.write(purge)
        # Then; files are uncounted as they go
        for key in (WORKSPACE, EXPERIMENT):
            assert total(database, process.usage, key) == Sums(points=5, runs=1, size=30, files=3)
        assert stored(database, (Scope.RUN, gone[0])) == Sums()
        assert database.read_here(lambda c: points.of_runs(c, list(ids.values()))) == {ids[names[2]]: 5}
        # And the experiment's own sum, at last
        await database.write(lambda tx: process.usage.experiment_gone(tx, 1, 0))
        assert stored(database, EXPERIMENT) == Sums()

    asyncio.run(scenario())


@pytest.fixture
def second(database_url: str, database: Database) -> Iterator[Database]:
    """Another process's connections to the same database."""
    opened = Database(open_dialect(database_url))
    opened.start()
    yield opened
    opened.close()


def test_a_run_has_no_more_points_than_it_may_whoever_logs_them(database: Database, second: Database) -> None:
    async def scenario() -> None:
        # Given two processes that know nothing of each other's points
        one, other = Process(database), Process(second)
        await one.workspaces.ensure_default()
        await one.workspaces.set_quotas(LOCAL, {"points_per_run": 100})
        for process in (one, other):
            database.read_here(lambda c, p=process: p.directory.find(c, "default"))  # type: ignore[misc]
        run = await one.new_run()
        # When
        results = await asyncio.gather(
            *(process.log_points(run, 7) for _ in range(20) for process in (one, other)),
            return_exceptions=True,
        )
        # Then
        assert sum(result is None for result in results) == 14
        assert sum(isinstance(result, QuotaExceeded) for result in results) == 26
        assert database.read_here(lambda c: c.value(text("SELECT points FROM run_points"))) == 98

    asyncio.run(scenario())


def test_a_run_has_no_more_params_and_tags_than_it_may_whoever_logs_them(
    database: Database, second: Database
) -> None:
    async def scenario() -> None:
        # Given
        one, other = Process(database), Process(second)
        await one.workspaces.ensure_default()
        await one.workspaces.set_quotas(LOCAL, {"params_per_run": 20, "tags_per_run": 21})
        for process in (one, other):
            database.read_here(lambda c, p=process: p.directory.find(c, "default"))  # type: ignore[misc]
        run = await one.new_run()
        # When
        batches = [
            (process, [Tag(f"{side}{i}{j}", "v") for j in range(3)])
            for i in range(15)
            for side, process in (("a", one), ("b", other))
        ]
        results = await asyncio.gather(
            *(process.log.log(LOCAL, RunBatch(run, None, new, [])) for process, new in batches),
            *(process.log.log(LOCAL, RunBatch(run, None, [], new)) for process, new in batches),
            return_exceptions=True,
        )
        # Then
        assert {type(result) for result in results} == {type(None), QuotaExceeded}
        found = (await one.runs.get(LOCAL, run)).params, (await one.runs.get(LOCAL, run)).tags
        assert [len(entries) for entries in found] == [18, 19]

    asyncio.run(scenario())
