"""The native HTTP interface of workspaces."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from runyard.server.auth import Permission, WorkspaceState
from runyard.server.web import Call, Handler, Route
from runyard.server.workspaces.routes.quotas import QuotaItem, QuotaList, quota_items
from runyard.server.workspaces.service.workspaces import IN_USE, MAX_PAGE, Workspaces
from runyard.server.workspaces.types import Count, Workspace

State = Literal["active", "archived", "deleted"]

_STATES: dict[WorkspaceState, State] = {
    WorkspaceState.ACTIVE: "active",
    WorkspaceState.ARCHIVED: "archived",
    WorkspaceState.DELETED: "deleted",
}
_OF_NAME = {name: state for state, name in _STATES.items()}


class CreateWorkspace(msgspec.Struct):
    """A new workspace: its name never changes."""

    name: str
    description: str = ""
    tags: dict[str, str] = {}


class ListWorkspaces(msgspec.Struct):
    """Asks for a page of workspaces, by name; without a state for those that aren't in the trash."""

    state: State | None = None
    limit: int = MAX_PAGE
    page_token: str | None = None


class UpdateWorkspace(msgspec.Struct):
    """What changes; the rest stays. A tag with the value null is deleted."""

    description: str | None = None
    tags: dict[str, str | None] | None = None
    state: Literal["active", "archived"] | None = None


class SetQuotas(msgspec.Struct):
    """Quotas by name: a number, null for no limit, or "default"."""

    limits: dict[str, int | Literal["default"] | None]


class NoBody(msgspec.Struct):
    """A request that its address says all about."""


class WorkspaceItem(msgspec.Struct):
    """A workspace; times are milliseconds since the epoch.

    Attributes:
        id: a decimal number; no other workspace ever gets it.
        name: clients choose the workspace by it.
        state: active, archived (it can be read, not changed) or deleted (in the trash).
        deleted_time: when it went to the trash.
        default_experiment_id: the experiment that clients mean by the id 0.
        artifact_location: where its artifacts are.
    """

    id: str
    name: str
    description: str
    state: State
    tags: dict[str, str]
    creation_time: int
    last_update_time: int
    deleted_time: int | None
    default_experiment_id: str
    artifact_location: str


class WorkspaceList(msgspec.Struct):
    """A page of workspaces; `next_page_token` is null on the last one."""

    items: list[WorkspaceItem]
    next_page_token: str | None


class Storage(msgspec.Struct):
    """What the artifacts take that the caller may see."""

    bytes: int
    files: int


class WorkspaceCounts(msgspec.Struct):
    """What the workspace holds that the caller may see, in use and in the trash."""

    experiments: Count
    runs: Count
    models: Count


class Addresses(msgspec.Struct):
    """Where clients reach the workspace, as the caller reaches the server; they hold no user and no password.

    Attributes:
        tracking: for MLFLOW_TRACKING_URI.
        api: of this answer.
    """

    tracking: str
    api: str


class WorkspaceDetails(WorkspaceItem, kw_only=True):
    """All that is known of a workspace."""

    addresses: Addresses
    storage: Storage
    counts: WorkspaceCounts
    quotas: list[QuotaItem]


class WorkspaceRoutes:
    """Handlers of `/api/runyard/1/workspaces...`."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        every, one = "/api/runyard/1/workspaces", "/api/runyard/1/workspaces/{workspace}"
        quotas = f"{one}/quotas"
        read, write, delete = (
            Permission.WORKSPACE_READ,
            Permission.WORKSPACE_WRITE,
            Permission.WORKSPACE_DELETE,
        )
        # A quota that one can lift oneself is none.
        server = Permission.WORKSPACE_CREATE
        return [
            _route(
                "GET",
                every,
                self.list,
                ListWorkspaces,
                WorkspaceList,
                Permission.SIGNED_IN,
                "List workspaces",
            ),
            _route("POST", every, self.create, CreateWorkspace, WorkspaceItem, server, "Create a workspace"),
            _route("GET", one, self.get, NoBody, WorkspaceDetails, read, "All that is known of a workspace"),
            _route("PATCH", one, self.update, UpdateWorkspace, WorkspaceItem, write, "Change a workspace"),
            _route(
                "DELETE", one, self.delete, NoBody, WorkspaceItem, delete, "Move a workspace to the trash"
            ),
            _route("POST", f"{one}/restore", self.restore, NoBody, WorkspaceItem, delete, "Bring it back"),
            _route("GET", quotas, self.quotas, NoBody, QuotaList, read, "The quotas of a workspace"),
            _route(
                "PATCH", quotas, self.set_quotas, SetQuotas, QuotaList, server, "Set quotas of a workspace"
            ),
        ]

    async def list(self, call: Call) -> WorkspaceList:
        """workspaces (GET)"""
        sent: ListWorkspaces = call.body
        states = IN_USE if sent.state is None else (_OF_NAME[sent.state],)
        page = await self._workspaces.search(
            call.principal, states, limit=sent.limit, token=sent.page_token or None
        )
        return WorkspaceList([_item(one) for one in page.items], page.next_token)

    async def create(self, call: Call) -> WorkspaceItem:
        """workspaces (POST)"""
        sent: CreateWorkspace = call.body
        return _item(await self._workspaces.create(call.principal, sent.name, sent.description, sent.tags))

    async def get(self, call: Call) -> WorkspaceDetails:
        """workspaces/{workspace} (GET)"""
        found = await self._workspaces.details(call.principal)
        name = found.workspace.name
        server = _server_address(call)
        return WorkspaceDetails(
            **msgspec.structs.asdict(_item(found.workspace)),
            addresses=Addresses(f"{server}/w/{name}", f"{server}/api/runyard/1/workspaces/{name}"),
            storage=Storage(found.used.size, found.used.files),
            counts=WorkspaceCounts(found.counts.experiments, found.counts.runs, found.counts.models),
            quotas=quota_items(found.quotas),
        )

    async def update(self, call: Call) -> WorkspaceItem:
        """workspaces/{workspace} (PATCH)"""
        sent: UpdateWorkspace = call.body
        changed = await self._workspaces.update(
            call.principal,
            description=sent.description,
            tags=sent.tags,
            state=None if sent.state is None else _OF_NAME[sent.state],
        )
        return _item(changed)

    async def delete(self, call: Call) -> WorkspaceItem:
        """workspaces/{workspace} (DELETE)"""
        await self._workspaces.delete(call.principal)
        return _item(await self._workspaces.get(call.principal))

    async def restore(self, call: Call) -> WorkspaceItem:
        """workspaces/{workspace}/restore"""
        return _item(await self._workspaces.restore(call.principal))

    async def quotas(self, call: Call) -> QuotaList:
        """workspaces/{workspace}/quotas (GET)"""
        return QuotaList(quota_items(await self._workspaces.quotas(call.principal)))

    async def set_quotas(self, call: Call) -> QuotaList:
        """workspaces/{workspace}/quotas (PATCH)"""
        sent: SetQuotas = call.body
        found = await self._workspaces.set_quotas(call.principal, sent.limits)
        return QuotaList(quota_items(found))


def _route(
    method: str,
    path: str,
    handler: Handler,
    request: type[msgspec.Struct],
    response: Any,
    permission: Permission,
    summary: str,
) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        permission=permission,
        summary=summary,
        request=None if request is NoBody else request,
        source="none" if request is NoBody else "query" if method == "GET" else "body",
        response=response,
        tag="workspaces",
    )


def _item(found: Workspace) -> WorkspaceItem:
    return WorkspaceItem(
        str(found.id),
        found.name,
        found.description,
        _STATES[found.state],
        found.tags,
        found.creation_time,
        found.last_update_time,
        found.deleted_time,
        str(found.default_experiment),
        found.artifact_location,
    )


def _server_address(call: Call) -> str:
    """This server's address as the caller wrote it, without the workspace that it may have chosen."""
    root: str = call.scope.get("root_path", "")
    outer = root.removesuffix(root[root.rindex("/w/") :]) if "/w/" in root else root
    host = call.headers.get("host", "").rsplit("@", 1)[-1]
    return f"{call.scope['scheme']}://{host}{outer}"
