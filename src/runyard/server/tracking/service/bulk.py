"""Deleting and restoring many runs, a slice of them in each transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runyard.server.auth import Permission, Place, Principal, note
from runyard.server.auth.service import end_of_runs
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.service.access import admit
from runyard.server.tracking.service.access import experiment_id as id_of
from runyard.server.tracking.service.experiments import check_active, missing
from runyard.server.tracking.service.runs import check_homes, refuse
from runyard.server.tracking.store import experiments, runs
from runyard.server.tracking.store import trash as store
from runyard.server.tracking.store.keys import Keys

MAX_RUNS = 10_000
# About 10 ms.
SLICE = 1000

# What is done with runs: their keys by id; returns how many it changed.
Move = Callable[[Transaction, Mapping[str, int]], int]


class RunBulk:
    """Deletes and restores runs by their age or by a list.

    What a slice did stays done when a later one fails; sending the request again does the rest.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def delete_older(
        self, principal: Principal, experiment_id: int, start_time: int, most: int | None
    ) -> int:
        """Delete an experiment's runs that started up to a time, the oldest first; returns how many."""
        now = clock.now_ms()

        def mutate(tx: Transaction, experiment: int, limit: int) -> tuple[int, int]:
            found = store.older_runs(tx, experiment, start_time, limit)
            end_of_runs(tx, list(found.values()))
            return len(found), store.delete_runs(tx, found, now)

        return await self._by_age(principal, experiment_id, most, "run.delete", mutate)

    async def restore_since(
        self, principal: Principal, experiment_id: int, deleted_time: int, most: int | None
    ) -> int:
        """Restore an experiment's runs that were deleted since a time, the last first; returns how many."""
        now = clock.now_ms()

        def mutate(tx: Transaction, experiment: int, limit: int) -> tuple[int, int]:
            found = store.runs_deleted_since(tx, experiment, deleted_time, limit)
            return len(found), store.restore(tx, "run", found, now)

        return await self._by_age(principal, experiment_id, most, "run.restore", mutate)

    async def delete(self, principal: Principal, run_ids: Sequence[str]) -> int:
        """Delete runs; returns how many were active.

        Raises:
            NotFound: one doesn't exist.
            PermissionDenied: the principal may not delete one.
        """
        now = clock.now_ms()

        def move(tx: Transaction, found: Mapping[str, int]) -> int:
            end_of_runs(tx, list(found))
            return store.delete_runs(tx, list(found.values()), now)

        return await self._listed(principal, run_ids, "run.delete", move)

    async def restore(self, principal: Principal, run_ids: Sequence[str]) -> int:
        """Restore runs; returns how many were deleted.

        Raises:
            NotFound: one doesn't exist.
            PermissionDenied: the principal may not restore one.
            InvalidArgument: one went to the trash with its experiment.
        """
        now = clock.now_ms()
        return await self._listed(
            principal,
            run_ids,
            "run.restore",
            lambda tx, found: store.restore(tx, "run", list(found.values()), now),
        )

    async def _by_age(
        self,
        principal: Principal,
        experiment_id: int,
        most: int | None,
        action: str,
        move: Callable[[Transaction, int, int], tuple[int, int]],
    ) -> int:
        left = MAX_RUNS if most is None else most
        if not 1 <= left <= MAX_RUNS:
            raise InvalidArgument(f"'max_runs' must be 1 to {MAX_RUNS:,}, not {left:,}.", field="max_runs")
        wanted = id_of(principal, experiment_id)

        def mutate(tx: Transaction, limit: int) -> tuple[int, int]:
            home = experiments.lock_homes(tx, [wanted]).get(wanted)
            if home is None or home.workspace_id != principal.workspace.id:
                raise missing(experiment_id)
            place = Place(wanted, home.name)
            admit(principal, Permission.RUN_DELETE, place, lambda: missing(experiment_id))
            refused = check_active(experiment_id, home.lifecycle)
            if refused is not None:
                raise refused
            found, moved = move(tx, wanted, limit)
            if moved:
                note(tx, principal, action, "experiment", wanted, runs=moved)
            return found, moved

        total = 0
        while left > 0:
            limit = min(SLICE, left)
            found, moved = await self._database.write(lambda tx, limit=limit: mutate(tx, limit))  # type: ignore[misc]
            total += moved
            left -= limit
            if found < limit:
                break
        return total

    async def _listed(self, principal: Principal, run_ids: Sequence[str], action: str, move: Move) -> int:
        if not 1 <= len(run_ids) <= MAX_RUNS:
            raise InvalidArgument(
                f"'run_ids' takes 1 to {MAX_RUNS:,} ids; there are {len(run_ids):,}.", field="run_ids"
            )
        ids = list(dict.fromkeys(run_ids))
        restoring = action == "run.restore"
        # All are looked at first, so that a wrong one is told before anything is done.
        await self._database.read(lambda c: self._checked(c, principal, ids, restoring=restoring))

        def mutate(tx: Transaction, some: Sequence[str]) -> int:
            moved = move(tx, self._checked(tx, principal, some, restoring=restoring))
            if moved:
                note(tx, principal, action, "run", "", runs=moved, ids=list(some[:100]))
            return moved

        total = 0
        for start in range(0, len(ids), SLICE):
            some = ids[start : start + SLICE]
            total += await self._database.write(lambda tx, some=some: mutate(tx, some))  # type: ignore[misc]
        return total

    def _checked(
        self, connection: Connection, principal: Principal, ids: Sequence[str], *, restoring: bool
    ) -> dict[str, int]:
        """The keys of runs, all of which the principal may delete and restore."""
        found = runs.find_ids(connection, ids)
        for run in ids:
            refused = refuse(connection, self._keys, principal, run, found.get(run), Permission.RUN_DELETE)
            if refused is not None:
                raise refused
        if restoring:
            check_homes(connection, principal, {run: found[run].experiment_id for run in ids})
        return {run: found[run].id for run in ids}
