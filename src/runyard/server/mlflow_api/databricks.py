"""Databricks' endpoints beside MLflow's: deleting and restoring runs by their age."""

from __future__ import annotations

from runyard.server.auth import Permission
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import Answer, Int64, Request
from runyard.server.tracking.service import RunBulk
from runyard.server.web import Call, Route, post


class DeleteRuns(Request):
    """databricks/runs/delete-runs"""

    experiment_id: str | None = None
    max_timestamp_millis: Int64 | None = None
    max_runs: Int64 | None = None


class DeletedRuns(Answer):
    """databricks/runs/delete-runs"""

    # Required, or a 0 would be left out.
    runs_deleted: int


class RestoreRuns(Request):
    """databricks/runs/restore-runs"""

    experiment_id: str | None = None
    min_timestamp_millis: Int64 | None = None
    max_runs: Int64 | None = None


class RestoredRuns(Answer):
    """databricks/runs/restore-runs"""

    runs_restored: int


class DatabricksEndpoints:
    """Handlers of `/mlflow/databricks/...`."""

    def __init__(self, bulk: RunBulk) -> None:
        self._bulk = bulk

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        at, needed = "/mlflow/databricks/runs", Permission.RUN_DELETE
        return [
            post(
                f"{at}/delete-runs",
                self.delete,
                DeleteRuns,
                DeletedRuns,
                needed,
                "Move the runs of an experiment that started up to a time to the trash",
            ),
            post(
                f"{at}/restore-runs",
                self.restore,
                RestoreRuns,
                RestoredRuns,
                needed,
                "Bring the runs of an experiment that were deleted since a time back",
            ),
        ]

    async def delete(self, call: Call) -> DeletedRuns:
        """databricks/runs/delete-runs"""
        sent: DeleteRuns = call.body
        experiment = wire.experiment_id(sent.experiment_id)
        until = wire.given(sent.max_timestamp_millis, "max_timestamp_millis")
        return DeletedRuns(await self._bulk.delete_older(call.principal, experiment, until, sent.max_runs))

    async def restore(self, call: Call) -> RestoredRuns:
        """databricks/runs/restore-runs"""
        sent: RestoreRuns = call.body
        experiment = wire.experiment_id(sent.experiment_id)
        since = wire.given(sent.min_timestamp_millis, "min_timestamp_millis")
        return RestoredRuns(await self._bulk.restore_since(call.principal, experiment, since, sent.max_runs))
