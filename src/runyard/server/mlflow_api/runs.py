"""MLflow's runs endpoints: everything but what a run logs."""

from __future__ import annotations

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import (
    EMPTY,
    Answer,
    Empty,
    Int64,
    KeyValue,
    Request,
    WireRun,
    WireRunInfo,
)
from runyard.server.tracking.rules import MAX_RESULTS_RUNS
from runyard.server.tracking.service import Runs, RunSearch
from runyard.server.web import Call, Route, get, post

DEFAULT_PAGE = 1000


class CreateRun(Request):
    """runs/create"""

    experiment_id: str | None = None
    user_id: str | None = None
    run_name: str | None = None
    start_time: Int64 | None = None
    tags: list[KeyValue] | None = None


class FoundRun(Answer):
    """runs/create, runs/get"""

    run: WireRun


class ByRunId(Request):
    """Names a run."""

    run_id: str | None = None
    run_uuid: str | None = None


class UpdateRun(Request):
    """runs/update"""

    run_id: str | None = None
    run_uuid: str | None = None
    status: str | Int64 | None = None
    end_time: Int64 | None = None
    run_name: str | None = None


class UpdatedRun(Answer):
    """runs/update"""

    run_info: WireRunInfo


class DeleteTag(Request):
    """runs/delete-tag"""

    run_id: str | None = None
    key: str | None = None


class SearchRuns(Request):
    """runs/search"""

    experiment_ids: list[str] | None = None
    filter: str | None = None
    run_view_type: str | Int64 | None = None
    max_results: Int64 | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


class FoundRuns(Answer):
    """runs/search"""

    runs: list[WireRun] = []
    next_page_token: str | None = None


class RunEndpoints:
    """Handlers of `/mlflow/runs/...`."""

    def __init__(self, runs: Runs, search: RunSearch) -> None:
        self._runs = runs
        self._search = search

    def routes(self) -> list[Route]:
        """The table of these endpoints."""

        return [
            post(
                "/mlflow/runs/create", self.create, CreateRun, FoundRun, Permission.RUN_WRITE, "Create a run"
            ),
            post(
                "/mlflow/runs/update",
                self.update,
                UpdateRun,
                UpdatedRun,
                Permission.RUN_WRITE,
                "Change a run",
            ),
            post(
                "/mlflow/runs/delete",
                self.delete,
                ByRunId,
                Empty,
                Permission.RUN_DELETE,
                "Move a run to the trash",
            ),
            post(
                "/mlflow/runs/restore",
                self.restore,
                ByRunId,
                Empty,
                Permission.RUN_DELETE,
                "Bring a run back",
            ),
            post(
                "/mlflow/runs/delete-tag",
                self.delete_tag,
                DeleteTag,
                Empty,
                Permission.RUN_WRITE,
                "Delete a tag of a run",
            ),
            post(
                "/mlflow/runs/search", self.search, SearchRuns, FoundRuns, Permission.RUN_READ, "Search runs"
            ),
            get("/mlflow/runs/get", self.get, ByRunId, FoundRun, Permission.RUN_READ, "Get a run"),
        ]

    async def create(self, call: Call) -> FoundRun:
        """runs/create"""
        sent: CreateRun = call.body
        run = await self._runs.create(
            call.principal,
            experiment_id=wire.experiment_id(sent.experiment_id or "0"),
            name=sent.run_name or None,
            user_id=sent.user_id or "",
            start_time=sent.start_time,
            tags=wire.tags_from(sent.tags),
        )
        return FoundRun(wire.run_to(run))

    async def get(self, call: Call) -> FoundRun:
        """runs/get"""
        found = await self._runs.get(call.principal, wire.run_id(call.body.run_id, call.body.run_uuid))
        return FoundRun(wire.run_to(found))

    async def update(self, call: Call) -> UpdatedRun:
        """runs/update"""
        sent: UpdateRun = call.body
        info = await self._runs.update(
            call.principal,
            wire.run_id(sent.run_id, sent.run_uuid),
            status=wire.status_from(sent.status),
            end_time=sent.end_time,
            name=sent.run_name or None,
        )
        return UpdatedRun(wire.info_to(info))

    async def delete(self, call: Call) -> Empty:
        """runs/delete"""
        await self._runs.delete(call.principal, wire.run_id(call.body.run_id, call.body.run_uuid))
        return EMPTY

    async def restore(self, call: Call) -> Empty:
        """runs/restore"""
        await self._runs.restore(call.principal, wire.run_id(call.body.run_id, call.body.run_uuid))
        return EMPTY

    async def delete_tag(self, call: Call) -> Empty:
        """runs/delete-tag"""
        sent: DeleteTag = call.body
        await self._runs.delete_tag(
            call.principal, wire.required(sent.run_id, "run_id"), wire.required(sent.key, "key")
        )
        return EMPTY

    async def search(self, call: Call) -> FoundRuns:
        """runs/search"""
        sent: SearchRuns = call.body
        size = DEFAULT_PAGE if sent.max_results is None else sent.max_results
        if not 0 < size <= MAX_RESULTS_RUNS:
            raise InvalidArgument(
                f"Invalid value {size} for parameter 'max_results' supplied: It must be a positive integer "
                f"of at most {MAX_RESULTS_RUNS}.",
                field="max_results",
            )
        page = await self._search.search(
            call.principal,
            experiment_ids=[
                wire.experiment_id(x, f"experiment_ids[{i}]") for i, x in enumerate(sent.experiment_ids or ())
            ],
            filter_text=sent.filter or "",
            order_by=sent.order_by or [],
            view=wire.view_from(sent.run_view_type, "run_view_type"),
            limit=size,
            token=sent.page_token or None,
        )
        return FoundRuns([wire.run_to(run) for run in page.items], page.next_token)
