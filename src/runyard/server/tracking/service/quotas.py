"""The quotas of single experiments and runs, as they stand."""

from __future__ import annotations

from collections.abc import Mapping

from runyard.server.auth import Permission, Principal
from runyard.server.db import Connection, Database
from runyard.server.tracking.service.access import admit
from runyard.server.tracking.service.access import experiment_id as id_of
from runyard.server.tracking.service.experiments import missing
from runyard.server.tracking.service.runs import must_find
from runyard.server.tracking.store import attributes, experiments, points
from runyard.server.tracking.store.keys import Keys
from runyard.server.workspaces.rules import QUOTAS, may_know
from runyard.server.workspaces.service import Room
from runyard.server.workspaces.types import QuotaUse, Scope


class TrackingQuotas:
    """What is used of the quotas of an experiment or a run.

    Args:
        database: where they live.
        keys: the interned names.
        room: the quotas.
    """

    def __init__(self, database: Database, keys: Keys, room: Room) -> None:
        self._database = database
        self._keys = keys
        self._room = room

    async def of_experiment(self, principal: Principal, experiment_id: int) -> list[QuotaUse]:
        """The quotas of an experiment; a token for one run isn't told what the others hold.

        Raises:
            NotFound: the experiment doesn't exist.
        """
        wanted = id_of(principal, experiment_id)

        def read(connection: Connection) -> list[QuotaUse]:
            found = experiments.find(connection, principal.workspace.id, wanted)
            if found is None:
                raise missing(experiment_id)
            admit(principal, Permission.RUN_READ, found.place, lambda: missing(experiment_id))
            if not may_know(principal.access, Scope.EXPERIMENT):
                return self._uses(principal, Scope.EXPERIMENT, {})
            held = self._room.used(connection, Scope.EXPERIMENT, wanted)
            used = {
                "points_per_experiment": held.points,
                "runs_per_experiment": held.runs,
                "artifact_bytes_per_experiment": held.size,
            }
            return self._uses(principal, Scope.EXPERIMENT, used)

        return await self._database.read_point(read)

    async def of_run(self, principal: Principal, run_id: str) -> list[QuotaUse]:
        """The quotas of a run.

        Raises:
            NotFound: the run doesn't exist.
        """

        def read(connection: Connection) -> list[QuotaUse]:
            run = must_find(connection, self._keys, principal, run_id).id
            used = {
                "points_per_run": points.of_runs(connection, [run]).get(run, 0),
                "params_per_run": attributes.count_params(connection, [run]).get(run, 0),
                "tags_per_run": attributes.count_tags(connection, [run]).get(run, 0),
                "artifact_bytes_per_run": self._room.used(connection, Scope.RUN, run).size,
            }
            return self._uses(principal, Scope.RUN, used)

        return await self._database.read_point(read)

    def _uses(self, principal: Principal, scope: Scope, used: Mapping[str, int]) -> list[QuotaUse]:
        limits = self._room.quotas(principal.workspace.id)
        return [
            QuotaUse(name, getattr(limits, name), used.get(name))
            for name, quota in QUOTAS.items()
            if quota.scope is scope
        ]
