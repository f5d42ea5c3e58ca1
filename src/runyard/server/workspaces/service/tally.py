"""What one transaction adds to the sums of experiments and workspaces."""

from __future__ import annotations

from runyard.server.auth import Principal
from runyard.server.db import Transaction
from runyard.server.kernel.errors import QuotaExceeded
from runyard.server.workspaces import rules
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.types import Quotas, Scope, Sums


class Tally:
    """Asked before something is stored, told after, and counted once the transaction is committed.

    Args:
        tx: the transaction.
        usage: the sums.
    """

    __slots__ = ("_points", "_runs", "_tx", "_usage")

    def __init__(self, tx: Transaction, usage: Usage) -> None:
        self._tx = tx
        self._usage = usage
        # By workspace and experiment.
        self._points: dict[tuple[int, int], int] = {}
        self._runs: dict[tuple[int, int], int] = {}
        tx.after_commit(self._count)

    def refuse_points(
        self, principal: Principal, quotas: Quotas, experiment: int, more: int
    ) -> QuotaExceeded | None:
        """Why so many points can't be logged; None when they can."""
        each, all_of = quotas.points_per_experiment, quotas.points_per_workspace
        return self._refuse("points", principal, experiment, each, all_of, more)

    def add_points(self, workspace: int, experiment: int, more: int) -> None:
        """Points are stored."""
        at = (workspace, experiment)
        self._points[at] = self._points.get(at, 0) + more

    def refuse_run(self, principal: Principal, quotas: Quotas, experiment: int) -> QuotaExceeded | None:
        """Why no run can be created; None when one can."""
        each, all_of = quotas.runs_per_experiment, quotas.runs_per_workspace
        return self._refuse("runs", principal, experiment, each, all_of, 1)

    def add_run(self, workspace: int, experiment: int) -> None:
        """A run is created."""
        at = (workspace, experiment)
        self._runs[at] = self._runs.get(at, 0) + 1

    def _refuse(
        self,
        what: str,
        principal: Principal,
        experiment: int,
        each: int | None,
        all_of: int | None,
        more: int,
    ) -> QuotaExceeded | None:
        workspace = principal.workspace.id
        added = self._points if what == "points" else self._runs
        if each is not None:
            stored = getattr(self._usage.total(self._tx, (Scope.EXPERIMENT, experiment)), what)
            used = stored + added.get((workspace, experiment), 0)
            if used + more > each:
                name = f"{what}_per_experiment"
                return rules.used_up(name, principal, experiment, used=used, limit=each, more=more)
        if all_of is not None:
            stored = getattr(self._usage.total(self._tx, (Scope.WORKSPACE, workspace)), what)
            used = stored + sum(n for (of, _), n in added.items() if of == workspace)
            if used + more > all_of:
                name = f"{what}_per_workspace"
                return rules.used_up(name, principal, "", used=used, limit=all_of, more=more)
        return None

    def _count(self) -> None:
        for (workspace, experiment), points in self._points.items():
            self._usage.add(workspace, experiment, Sums(points=points))
        for (workspace, experiment), runs in self._runs.items():
            self._usage.add(workspace, experiment, Sums(runs=runs))
