"""Counting anew what is stored, since a crash may lose a second's worth of what was counted.

While a process has counted something and not yet stored it, the stored sum differs from the truth and is
right nevertheless. So only those are corrected that stood still: their stored sum is the same before the
counting and so long after it that everybody must have stored what he had. The others have their turn
when they are still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import Literal, Self

from runyard.server.artifacts import BlobPrefix, BlobStore, parse_blob_prefix
from runyard.server.db import Connection, Database, Transaction
from runyard.server.db.lease import acquire
from runyard.server.kernel import clock, ids
from runyard.server.workspaces.service.contents import Contents
from runyard.server.workspaces.service.usage import FLUSH_SECONDS, Usage
from runyard.server.workspaces.store import usage as store
from runyard.server.workspaces.store import workspaces
from runyard.server.workspaces.types import Scope, Sums

_FIRST_SECONDS = 60.0
_LOOK_SECONDS = 600.0
_HOUR_MS = 3_600_000
# How often the database is counted, and how often the files, which takes longer.
_ROWS_MS = 6 * _HOUR_MS
_FILES_MS = 24 * _HOUR_MS
_BATCH = 500

log = logging.getLogger("runyard.workspaces.recount")

_What = Literal["rows", "files"]
_ROWS: _What = "rows"
_FILES: _What = "files"
_Measure = Callable[[Sequence[int]], Awaitable[Mapping[int, Sums]]]


class Recount:
    """Counts now and then, in one of the server's processes. As a context manager it does so by itself.

    Args:
        database: where the sums are stored.
        blobs: where the files are.
        usage: the sums.
        contents: knows points and runs.
        settle_seconds: after which time every process has stored what it had counted.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        usage: Usage,
        contents: Contents,
        *,
        settle_seconds: float = 3 * FLUSH_SECONDS,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._usage = usage
        self._contents = contents
        self._settle_seconds = settle_seconds
        self._task: asyncio.Task[None] | None = None

    async def count_rows(self) -> int:
        """Correct points and runs; returns how many sums were wrong."""
        differing = await self._database.read(self._differing)
        corrected = 0
        for batch in _batches(differing):
            corrected += await self._correct(Scope.EXPERIMENT, batch, self._rows_of, _ROWS)
        return await self._sum_up(corrected)

    async def count_files(self) -> int:
        """Correct bytes and files; returns how many sums were wrong."""
        # First: whatever has a sum has its folder among those that are read after it.
        emptied = await self._database.read(lambda c: store.with_files(c, Scope.RUN))
        folders = await self._database.read(self._folders)
        corrected = 0
        for batch in _batches(folders):
            found, wrong = await self._correct_files({one: folders[one] for one in batch})
            emptied -= found
            corrected += wrong
        for batch in _batches(emptied):
            corrected += await self._correct_emptied(batch, folders)
        return await self._sum_up(corrected)

    def _differing(self, connection: Connection) -> list[int]:
        truth = self._contents.sums(connection, None)
        stored = store.every(connection, Scope.EXPERIMENT)
        nothing = Sums()
        return [
            one
            for one in sorted(truth.keys() | stored.keys())
            if _only(_ROWS, truth.get(one, nothing)) != _only(_ROWS, stored.get(one, nothing))
        ]

    async def _rows_of(self, experiments: Sequence[int]) -> Mapping[int, Sums]:
        return await self._database.read(lambda c: self._contents.sums(c, experiments))

    def _folders(self, connection: Connection) -> dict[int, BlobPrefix]:
        names = {ref.id: ref.name for ref in workspaces.every_ref(connection)}
        return {
            experiment: parse_blob_prefix(f"{names[workspace]}/{experiment}")
            for experiment, workspace in self._contents.experiments(connection).items()
            if workspace in names
        }

    async def _correct_files(self, folders: Mapping[int, BlobPrefix]) -> tuple[set[int], int]:
        """Correct the sums of some experiments and of those of their runs that have files.

        Returns:
            These runs, and how many sums were wrong.
        """
        of_experiment = dict.fromkeys(folders, Sums())
        of_folder: dict[str, Sums] = {}
        for experiment, folder in folders.items():
            async for blob in self._blobs.walk(folder):
                one = Sums(size=blob.size, files=1)
                of_experiment[experiment] += one
                below = blob.path[: blob.path.find("/", len(folder) + 1)]
                of_folder[below] = of_folder.get(below, Sums()) + one
        names = {folder.rsplit("/", 1)[1]: folder for folder in of_folder}
        runs = await self._database.read(lambda c: self._contents.run_ids(c, list(names)))
        prefixes = {run: parse_blob_prefix(names[name]) for name, run in runs.items()}
        of_run = {run: of_folder[prefix] for run, prefix in prefixes.items()}
        corrected = 0
        for scope, sums, at in (
            (Scope.RUN, of_run, prefixes),
            (Scope.EXPERIMENT, of_experiment, dict(folders)),
        ):
            for batch in _batches(sums):
                corrected += await self._correct_if_differing(scope, {i: sums[i] for i in batch}, at)
        return set(of_run), corrected

    async def _correct_emptied(self, runs: Sequence[int], folders: Mapping[int, BlobPrefix]) -> int:
        """Correct the sums of runs in which no file was found."""
        homes = await self._database.read(lambda c: self._contents.run_homes(c, runs))
        at = {
            run: parse_blob_prefix(f"{folders[experiment]}/{name}")
            for run, (experiment, name) in homes.items()
            if experiment in folders
        }
        return await self._correct_if_differing(Scope.RUN, dict.fromkeys(at, Sums()), at)

    async def _correct_if_differing(
        self, scope: Scope, sums: Mapping[int, Sums], at: Mapping[int, BlobPrefix]
    ) -> int:
        stored = await self._database.read(lambda c: store.some(c, scope, list(sums)))
        differing = [one for one in sums if _only(_FILES, stored[one]) != sums[one]]
        if not differing:
            return 0

        async def measure(ids: Sequence[int]) -> Mapping[int, Sums]:
            found = {}
            for one in ids:
                usage = await self._blobs.usage(at[one])
                found[one] = Sums(size=usage.size, files=usage.files)
            return found

        return await self._correct(scope, differing, measure, _FILES)

    async def _correct(self, scope: Scope, ids: Sequence[int], measure: _Measure, what: _What) -> int:
        """Correct the sums of those that stand still."""
        before = await self._database.read(lambda c: store.some(c, scope, ids))
        truth = await measure(ids)
        await asyncio.sleep(self._settle_seconds)

        def mutate(tx: Transaction) -> int:
            changes: dict[store.Key, Sums] = {}
            for one, sums in store.some(tx, scope, ids).items():
                change = _only(what, truth.get(one, Sums()) - sums)
                if change and sums == before[one]:
                    changes[scope, one] = change
            store.add(tx, changes)
            return len(changes)

        return await self._database.write(mutate)

    async def _sum_up(self, corrected: int) -> int:
        """Make the workspaces' sums those of their experiments; both are always stored together."""

        def read(connection: Connection) -> dict[store.Key, Sums]:
            drift = {one: Sums() - sums for one, sums in store.every(connection, Scope.WORKSPACE).items()}
            of_experiment = store.every(connection, Scope.EXPERIMENT)
            for experiment, workspace in self._contents.experiments(connection).items():
                sums = of_experiment.get(experiment, Sums())
                drift[workspace] = drift.get(workspace, Sums()) + sums
            return {(Scope.WORKSPACE, one): sums for one, sums in drift.items() if sums}

        changes = await self._database.read(read)
        if changes:
            await self._database.write(lambda tx: store.add(tx, changes))
        corrected += len(changes)
        if corrected:
            self._usage.forget()
            log.info("%d sums of what is stored were corrected", corrected)
        return corrected

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        pause = _FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _LOOK_SECONDS
            try:
                if await self._due("usage.rows", _ROWS_MS):
                    await self.count_rows()
                if await self._due("usage.files", _FILES_MS):
                    await self.count_files()
            except Exception:
                log.exception("counting what is stored failed")

    async def _due(self, lease: str, every_ms: int) -> bool:
        """Whether it is time, and nobody else's turn: the lease lasts until the next time."""
        holder = ids.new_request_id()
        return await self._database.write(
            lambda tx: acquire(tx, lease, holder, now_ms=clock.now_ms(), ttl_ms=every_ms)
        )


def _only(what: _What, sums: Sums) -> Sums:
    """The points and runs, or the bytes and files."""
    if what == _ROWS:
        return Sums(points=sums.points, runs=sums.runs)
    return Sums(size=sums.size, files=sums.files)


def _batches(ids: Iterable[int]) -> Iterable[list[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, _BATCH)):
        yield batch
