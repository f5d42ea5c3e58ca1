"""What the slices above tell of a workspace's contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runyard.server.auth import Principal, WorkspaceRef
from runyard.server.db import Connection, Transaction
from runyard.server.workspaces.types import Counts, Sums


class Contents(Protocol):
    """Experiments, runs and logged models, as far as workspaces have to do with them."""

    def make_default(self, tx: Transaction, workspace: WorkspaceRef, now: int) -> int:
        """Make a new workspace's default experiment; returns its id."""

    def is_empty(self, connection: Connection, workspace: WorkspaceRef) -> bool:
        """Whether a workspace holds nothing but its default experiment, with nothing in that."""

    def counts(self, connection: Connection, principal: Principal) -> Counts:
        """How many things the principal may see in its workspace."""

    def visible(self, connection: Connection, principal: Principal) -> Sequence[int]:
        """Those of the workspace's experiments that the principal may see."""

    def experiments(self, connection: Connection) -> dict[int, int]:
        """Of every experiment the workspace."""

    def sums(self, connection: Connection, experiments: Sequence[int] | None) -> dict[int, Sums]:
        """Points and runs of some experiments or, with None, of all; those without runs may be absent."""

    def run_ids(self, connection: Connection, names: Sequence[str]) -> dict[str, int]:
        """Of those of the runs that exist, the surrogate keys."""

    def run_homes(self, connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Of those of the runs that exist, the experiment and the name."""
