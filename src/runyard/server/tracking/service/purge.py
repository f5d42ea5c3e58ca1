"""Destroys what is marked in the trash: runs, logged models, experiments, and all that belongs to them.

In this order, so that a kill anywhere leaves only what the next round finds again: points, params, tags and
summaries; datasets that nobody else reads; links; tokens and rules; artifacts; last the row, which says
that there is something to destroy. Each transaction deletes so much that it stays short, and after each the
writer is left to others for as long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from runyard.server.artifacts import BlobPath, BlobStore
from runyard.server.auth.service import forget_experiments, forget_runs
from runyard.server.db import Connection, Database, Query, Row, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import RunyardError
from runyard.server.metrics import engine
from runyard.server.tracking.service.trash import folder_of
from runyard.server.tracking.store import points
from runyard.server.tracking.store import purge as store
from runyard.server.tracking.store import trash as trash_store
from runyard.server.tracking.types import Noun
from runyard.server.workspaces.service import GoOn, Left, Usage
from runyard.server.workspaces.types import Sums

T = TypeVar("T")

Stage = Callable[[Transaction, int], bool]
"""Deletes up to so many rows of one kind; whether all of them are gone."""

FindDefaults = Callable[[Connection], set[int]]
"""The experiments that workspaces rely on: they can be emptied, and stay."""

# Things whose keys are read at a time, and things that are destroyed at a time.
_CHUNK = 20_000
_BATCH = 200
# Points by which runs measure models, at a time.
_MEASURED = 10_000
# A dataset's profile may be large.
_DATASETS = 20
# Folders of artifacts that are deleted at once.
_FOLDERS = 4
# Experiments of a workspace that are marked at a time.
_EXPERIMENTS = 500
_MOST_PAUSE = 0.5
# Of several processes one may have read a run before it was marked and write to it a moment later. Its row
# stays for so long, and what came late goes with it.
_LATE_MS = 60_000

_log = logging.getLogger("runyard.trash")


class Pace:
    """How many rows a transaction deletes: as many as take about 15 ms."""

    START, LEAST, MOST = 500, 50, 5_000
    SHORT, LONG = 0.01, 0.025
    # Points go by the blob, not by the row.
    POINTS = 500

    def __init__(self) -> None:
        self.rows = self.START

    def note(self, seconds: float, *, full: bool) -> None:
        """Learn from how long the last one took; it says little when there was less to delete."""
        if seconds > self.LONG:
            self.rows = max(self.LEAST, self.rows // 2)
        elif full and seconds < self.SHORT:
            self.rows = min(self.MOST, self.rows * 3 // 2)


class Destroyer:
    """The steps of destroying (`workspaces.service.Destroy`).

    Args:
        database: where things live.
        blobs: where their artifacts live.
        usage: what is counted.
        find_defaults: the experiments that are emptied and stay.
    """

    def __init__(
        self, database: Database, blobs: BlobStore, usage: Usage, find_defaults: FindDefaults
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._usage = usage
        self._find_defaults = find_defaults
        self._pace = Pace()
        self._late_ms = 0 if database.dialect.name == "sqlite" else _LATE_MS

    def pending(self, connection: Connection) -> bool:
        """Whether something is to be destroyed."""
        nouns: tuple[Noun, ...] = ("run", "model")
        return any(store.marked(connection, noun, 0, 1) for noun in nouns) or bool(
            store.marked_experiments(connection)
        )

    async def runs(self, now: int, go_on: GoOn) -> Left:
        """Destroy runs, also those of marked experiments."""
        await asyncio.to_thread(engine.prepare_deleting)
        return await self._owners("run", now, go_on)

    async def models(self, now: int, go_on: GoOn) -> Left:
        """Destroy logged models, also those of marked experiments."""
        return await self._owners("model", now, go_on)

    async def experiments(self, now: int, go_on: GoOn) -> Left:
        """Destroy experiments that hold no runs and models any more."""
        marked = await self._database.read(store.marked_experiments)
        keys = [one.key for one in marked]
        filled = await self._database.read(lambda c: store.filled(c, keys))
        later: list[int] = []
        failed = False
        for one in marked:
            if one.key in filled:
                continue
            await self._drain([partial(_rest, [one.key])], go_on)
            path = folder_of(one.location, one.key, "experiment", str(one.key))
            if not await self._delete_folder(path, one.workspace_id, one.key):
                failed = True
            elif self._is_early(one.since, now):
                later.append(one.since + self._late_ms)
            else:
                await self._usage.flush()
                await self._database.write(partial(self._experiment_row, one, now))
        return Left(min(later, default=None), failed)

    async def workspace(self, workspace: int, now: int, go_on: GoOn) -> None:
        """Mark all experiments of a workspace, whatever their state."""
        marked = _EXPERIMENTS
        while marked == _EXPERIMENTS:
            await go_on()
            marked = await self._database.write(
                lambda tx: trash_store.mark_workspace(tx, workspace, now, _EXPERIMENTS)
            )

    async def _owners(self, noun: Noun, now: int, go_on: GoOn) -> Left:
        later: list[int] = []
        failed, after = False, 0
        while chunk := await self._database.read(
            lambda c, after=after: store.marked(c, noun, after, _CHUNK)  # type: ignore[misc]
        ):
            after = chunk[-1].key
            if noun == "run":
                await self._measured([one.key for one in chunk], go_on)
            for start in range(0, len(chunk), _BATCH):
                batch = chunk[start : start + _BATCH]
                await self._drain(_stages(noun, batch), go_on)
                gone = await self._delete_artifacts(noun, batch)
                failed = failed or len(gone) < len(batch)
                due = [one for one in gone if not self._is_early(one.since, now)]
                later += [one.since + self._late_ms for one in gone if self._is_early(one.since, now)]
                if due:
                    await go_on()
                    # Or what is on its way to the sums of these would bring them back.
                    await self._usage.flush()
                    await self._write(partial(self._delete, noun, due))
        return Left(min(later, default=None), failed)

    def _is_early(self, since: int, now: int) -> bool:
        """Whether somebody may still write to what was marked at a time."""
        return bool(self._late_ms) and since > now - self._late_ms

    def _experiment_row(self, one: store.MarkedExperiment, now: int, tx: Transaction) -> None:
        if one.key in self._find_defaults(tx):
            store.put_back(tx, one.key, now)
        elif store.delete_experiment(tx, one.key):
            self._usage.experiment_gone(tx, one.workspace_id, one.key)

    async def _measured(self, runs: Sequence[int], go_on: GoOn) -> None:
        """Delete the points by which runs measure models."""
        while keys := await self._database.read(lambda c: store.measured_by(c, runs, _MEASURED)):
            while keys:
                await go_on()
                size = self._pace.rows
                await self._write(partial(_delete_measured, keys[:size]))
                keys = keys[size:]

    async def _drain(self, stages: Sequence[Stage], go_on: GoOn) -> None:
        """Delete, stage by stage, until nothing is left."""
        at = 0
        while at < len(stages):
            await go_on()
            at = await self._write(partial(_go_through, stages, at), lambda at: at < len(stages))

    async def _write(
        self, delete: Callable[[Transaction, int], T], is_full: Callable[[T], bool] = lambda _: False
    ) -> T:
        """One transaction; then a pause as long as it took."""
        rows, began = self._pace.rows, 0.0

        def begun(tx: Transaction) -> T:
            nonlocal began
            began = clock.monotonic()
            return delete(tx, rows)

        found = await self._database.write(begun)
        # With the commit, which takes the longer the more pages were changed.
        took = clock.monotonic() - began
        self._pace.note(took, full=is_full(found))
        await asyncio.sleep(min(took, _MOST_PAUSE))
        return found

    def _delete(self, noun: Noun, owners: Sequence[store.Marked], tx: Transaction, _: int) -> None:
        keys = [one.key for one in owners]
        if noun == "model":
            store.delete_models(tx, keys)
            return
        gone = store.delete_runs(tx, keys)
        at: dict[tuple[int, int], list[int]] = {}
        for one in owners:
            if one.key in gone:
                at.setdefault((one.workspace_id, one.experiment_id), []).append(one.key)
        for (workspace, experiment), runs in sorted(at.items()):
            self._usage.runs_gone(tx, workspace, experiment, runs, points.remove(tx, runs))

    async def _delete_artifacts(self, noun: Noun, owners: Sequence[store.Marked]) -> list[store.Marked]:
        """Delete the artifacts of runs or models; returns those whose are gone."""
        gone: list[store.Marked] = []
        for start in range(0, len(owners), _FOLDERS):
            some = owners[start : start + _FOLDERS]
            done = await asyncio.gather(
                *(
                    self._delete_folder(
                        folder_of(one.location, one.experiment_id, noun, one.id),
                        one.workspace_id,
                        one.experiment_id,
                    )
                    for one in some
                )
            )
            gone += [one for one, deleted in zip(some, done, strict=True) if deleted]
        return gone

    async def _delete_folder(self, path: BlobPath | None, workspace: int, experiment: int) -> bool:
        """Delete a folder; whether it is gone. A later round tries again."""
        if path is None:
            return True
        try:
            files = await self._blobs.delete_prefix(path)
        except (OSError, RunyardError) as error:
            _log.warning("the artifacts in %s, which was purged, can't be deleted yet: %s", path, error)
            return False
        if files.files:
            # What is counted of a run goes with its row.
            self._usage.add(workspace, experiment, Sums(size=-files.size, files=-files.files))
        return True


def _delete_measured(keys: Sequence[Row], tx: Transaction, _: int) -> None:
    store.delete_measured(tx, keys)


def _stages(noun: Noun, owners: Sequence[store.Marked]) -> list[Stage]:
    """What is deleted of runs or models, in this order."""
    keys = [one.key for one in owners]
    if noun == "model":
        return [lambda tx, rows: store.delete_some(tx, store.OF_MODELS, keys, rows)]
    return [
        lambda tx, rows: engine.delete_scopes(tx, keys, rows * Pace.POINTS),
        *(partial(_of_runs, query, keys) for query in store.OF_RUNS),
        lambda tx, _: store.delete_datasets(tx, keys, _DATASETS),
        lambda tx, rows: store.delete_links(tx, keys, rows),
        partial(_tokens, [one.id for one in owners]),
    ]


def _go_through(stages: Sequence[Stage], at: int, tx: Transaction, rows: int) -> int:
    """The stages from one on, as far as the rows go; returns the first that has more to delete."""
    while at < len(stages) and stages[at](tx, rows):
        at += 1
    return at


def _of_runs(query: Query, runs: Sequence[int], tx: Transaction, rows: int) -> bool:
    return store.delete_some(tx, [query], runs, rows)


def _tokens(runs: Sequence[str], tx: Transaction, _: int) -> bool:
    forget_runs(tx, runs)
    return True


def _rest(experiments: Sequence[int], tx: Transaction, rows: int) -> bool:
    done = store.delete_rest_of_experiments(tx, experiments, min(rows, Pace.LEAST))
    if done:
        forget_experiments(tx, experiments)
    return done
