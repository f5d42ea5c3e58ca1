"""What workspaces ask about their contents (`workspaces.service.Contents`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runyard.server.auth import Place, Principal, WorkspaceRef, sees
from runyard.server.db import Connection, Transaction
from runyard.server.tracking.service.experiments import create_default
from runyard.server.tracking.store import contents as store
from runyard.server.tracking.types import Lifecycle
from runyard.server.workspaces.types import Count, Counts, Sums


class WorkspaceContents:
    """Experiments, runs and logged models, as far as workspaces have to do with them."""

    def make_default(self, tx: Transaction, workspace: WorkspaceRef, now: int) -> int:
        """Make a new workspace's default experiment; returns its id."""
        return create_default(tx, workspace, now)

    def is_empty(self, connection: Connection, workspace: WorkspaceRef) -> bool:
        """Whether a workspace holds nothing but its default experiment, with nothing in that."""
        return store.is_empty(connection, workspace.id, workspace.default_experiment)

    def counts(self, connection: Connection, principal: Principal) -> Counts:
        """How many things the principal may see in its workspace."""
        workspace = principal.workspace.id
        if principal.access.sees_all:
            return Counts(*(_count(numbers) for numbers in store.count(connection, workspace)))
        seen = _seen(connection, principal)
        numbers: dict[int, int] = {}
        for lifecycle in seen.values():
            numbers[lifecycle] = numbers.get(lifecycle, 0) + 1
        runs, models = store.count_in(connection, list(seen))
        return Counts(_count(numbers), _count(runs), _count(models))

    def visible(self, connection: Connection, principal: Principal) -> Sequence[int]:
        """Those of the workspace's experiments that the principal may see."""
        return list(_seen(connection, principal))

    def experiments(self, connection: Connection) -> dict[int, int]:
        """Of every experiment the workspace."""
        return store.experiments(connection)

    def sums(self, connection: Connection, experiments: Sequence[int] | None) -> dict[int, Sums]:
        """Points and runs of some experiments or, with None, of all; those without runs are absent."""
        return {
            experiment: Sums(points=points, runs=runs)
            for experiment, (runs, points) in store.sums(connection, experiments).items()
        }

    def run_ids(self, connection: Connection, names: Sequence[str]) -> dict[str, int]:
        """Of those of the runs that exist, the surrogate keys."""
        return store.run_ids(connection, names)

    def run_homes(self, connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Of those of the runs that exist, the experiment and the name."""
        return store.run_homes(connection, ids)


def _seen(connection: Connection, principal: Principal) -> dict[int, Lifecycle]:
    return {
        experiment: lifecycle
        for experiment, name, lifecycle in store.places(connection, principal.workspace.id)
        if sees(principal, Place(experiment, name))
    }


def _count(numbers: Mapping[int, int]) -> Count:
    return Count(numbers.get(Lifecycle.ACTIVE, 0), numbers.get(Lifecycle.DELETED, 0))
