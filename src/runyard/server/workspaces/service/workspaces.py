"""Use cases of workspaces themselves."""

from __future__ import annotations

from collections.abc import Callable

from runyard.server.auth import DEFAULT_WORKSPACE, WorkspaceRef
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock
from runyard.server.workspaces import store

MakeExperiment = Callable[[Transaction, WorkspaceRef, int], int]


class Workspaces:
    """Create, find, change, archive, delete and restore workspaces.

    Args:
        database: where they live.
        make_experiment: makes a new workspace's default experiment in its transaction; returns its id.
    """

    def __init__(self, database: Database, make_experiment: MakeExperiment) -> None:
        self._database = database
        self._make_experiment = make_experiment

    async def ensure_default(self) -> None:
        """Make the workspace that clients mean when they name none."""
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            if store.find_ref(tx, DEFAULT_WORKSPACE.name) is None:
                store.insert_default(tx, DEFAULT_WORKSPACE, now)
            self._make_experiment(tx, DEFAULT_WORKSPACE, now)

        await self._database.write(mutate)
