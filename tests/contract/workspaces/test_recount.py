"""Counting anew: what a crash lost, or what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from runyard.server.artifacts import BlobInfo, BlobPrefix, parse_blob_path
from runyard.server.artifacts.fake import FakeBlobStore
from runyard.server.db import Connection, Database
from runyard.server.tracking.rules import trash_path
from runyard.server.tracking.service import WorkspaceContents
from runyard.server.workspaces.service import Recount, Usage
from runyard.server.workspaces.store import usage as store
from runyard.server.workspaces.types import Scope, Sums
from tests.contract.workspaces.test_usage import EXPERIMENT, WORKSPACE, Process, stored


async def chunks(size: int) -> AsyncIterator[bytes]:
    """A file of so many bytes."""
    yield b"x" * size


def recount(database: Database, blobs: FakeBlobStore, contents: WorkspaceContents | None = None) -> Recount:
    """Counts without waiting."""
    made = contents or WorkspaceContents()
    return Recount(database, blobs, Usage(database), made, settle_seconds=0)


def test_what_a_crash_lost_is_counted_anew(database: Database) -> None:
    async def scenario() -> None:
        # Given a process that ended before it stored what it had counted
        process = Process(database)
        await process.workspaces.ensure_default()
        for count in (3, 4):
            await process.log_points(await process.new_run(), count)
        # When
        corrected = await recount(database, FakeBlobStore()).count_rows()
        # Then
        assert corrected == 2
        assert stored(database, WORKSPACE) == stored(database, EXPERIMENT) == Sums(points=7, runs=2)
        assert await recount(database, FakeBlobStore()).count_rows() == 0
        # And what is too much goes as well
        await database.write(
            lambda tx: store.add(tx, {EXPERIMENT: Sums(points=5), (Scope.EXPERIMENT, 99): Sums(1, 1)})
        )
        assert await recount(database, FakeBlobStore()).count_rows() == 2
        assert stored(database, EXPERIMENT) == Sums(points=7, runs=2)
        assert stored(database, (Scope.EXPERIMENT, 99)) == Sums()

    asyncio.run(scenario())


def test_files_are_counted_anew(database: Database) -> None:
    async def scenario() -> None:
        # Given files, one of them in the trash
        process, blobs = Process(database), FakeBlobStore()
        await process.workspaces.ensure_default()
        run, other = await process.new_run(), await process.new_run()
        deleted = trash_path(f"default/0/{run}/artifacts/b", "0a")
        for path, size in (
            (f"default/0/{run}/artifacts/a", 5),
            (f"{deleted}/c", 6),
            (f"default/0/{other}/artifacts/a", 7),
            ("default/0/models/m-1/artifacts/m", 8),
            ("elsewhere/5/x", 9),
        ):
            await blobs.write(parse_blob_path(path), chunks(size))
        ids = database.read_here(lambda c: WorkspaceContents().run_ids(c, [run, other]))
        # When
        corrected = await recount(database, blobs).count_files()
        # Then: two runs, an experiment, a workspace
        assert corrected == 4
        assert stored(database, (Scope.RUN, ids[run])) == Sums(size=11, files=2)
        assert stored(database, (Scope.RUN, ids[other])) == Sums(size=7, files=1)
        assert stored(database, EXPERIMENT) == stored(database, WORKSPACE) == Sums(size=26, files=4)
        assert await recount(database, blobs).count_files() == 0

    asyncio.run(scenario())


def test_what_is_empty_by_now_is_counted_anew(database: Database) -> None:
    async def scenario() -> None:
        # Given sums that are wrong, of runs of which one has a file
        process, blobs = Process(database), FakeBlobStore()
        await process.workspaces.ensure_default()
        names = [await process.new_run() for _ in range(3)]
        await blobs.write(parse_blob_path(f"default/0/{names[0]}/artifacts/a"), chunks(5))
        ids = database.read_here(lambda c: WorkspaceContents().run_ids(c, names))
        keys = [(Scope.RUN, ids[name]) for name in names]
        wrong = [Sums(size=5, files=1), Sums(size=-4_000, files=-4), Sums(files=1)]
        for (_, run), sums in zip(keys, wrong, strict=True):
            process.usage.add(1, 0, sums, run=run)
        await process.usage.flush()
        # When
        corrected = await recount(database, blobs).count_files()
        # Then: two runs, the experiment and the workspace
        assert corrected == 4
        assert [stored(database, key) for key in keys] == [Sums(size=5, files=1), Sums(), Sums()]
        assert stored(database, EXPERIMENT) == stored(database, WORKSPACE)
        assert stored(database, WORKSPACE) == Sums(runs=3, size=5, files=1)
        assert await recount(database, blobs).count_files() == 0
        # And when the last file is gone, too
        await blobs.delete_prefix(parse_blob_path("default"))
        assert await recount(database, blobs).count_files() == 3
        assert [stored(database, key) for key in keys] == [Sums()] * 3
        assert stored(database, EXPERIMENT) == stored(database, WORKSPACE) == Sums(runs=3)

    asyncio.run(scenario())


def test_files_that_come_behind_the_count_are_found(database: Database) -> None:
    class Late(FakeBlobStore):
        """Its files come when all folders have been looked through."""

        async def walk(self, prefix: BlobPrefix) -> AsyncIterator[BlobInfo]:
            return
            yield

    async def scenario() -> None:
        # Given
        process, blobs = Process(database), Late()
        await process.workspaces.ensure_default()
        name = await process.new_run()
        await blobs.write(parse_blob_path(f"default/0/{name}/artifacts/a"), chunks(5))
        run = database.read_here(lambda c: WorkspaceContents().run_ids(c, [name]))[name]
        process.usage.add(1, 0, Sums(size=5, files=1), run=run)
        await process.usage.flush()
        # When, then
        assert await recount(database, blobs).count_files() == 0
        assert stored(database, (Scope.RUN, run)) == Sums(size=5, files=1)
        assert stored(database, EXPERIMENT) == Sums(runs=1, size=5, files=1)

    asyncio.run(scenario())


def test_sums_that_change_meanwhile_are_left_alone(database: Database) -> None:
    class Busy(WorkspaceContents):
        """While it counts, another process stores what it had counted before."""

        def sums(self, connection: Connection, experiments: Sequence[int] | None) -> dict[int, Sums]:
            if experiments is not None:
                database.write_from_thread(lambda tx: store.add(tx, {EXPERIMENT: Sums(points=7, runs=2)}))
            return super().sums(connection, experiments)

    async def scenario() -> None:
        # Given
        process = Process(database)
        await process.workspaces.ensure_default()
        for count in (3, 4):
            await process.log_points(await process.new_run(), count)
        # When: only the workspace's sum follows
        await recount(database, FakeBlobStore(), Busy()).count_rows()
        # Then
        assert stored(database, EXPERIMENT) == Sums(points=7, runs=2)

    asyncio.run(scenario())


def test_only_one_process_counts(database: Database) -> None:
    async def scenario() -> None:
        one, other = recount(database, FakeBlobStore()), recount(database, FakeBlobStore())
        assert await one._due("usage.rows", 60_000)
        assert not await other._due("usage.rows", 60_000)
        assert not await one._due("usage.rows", 60_000)
        assert await other._due("usage.files", 60_000)

    asyncio.run(scenario())
