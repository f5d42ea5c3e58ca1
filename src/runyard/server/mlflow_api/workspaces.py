"""MLflow's workspaces endpoints."""

from __future__ import annotations

from runyard.server.auth import Permission, WorkspaceState
from runyard.server.kernel.errors import InvalidArgument, NotFound, NotImplementedHere
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Answer, Empty, Request
from runyard.server.web import Call, Route
from runyard.server.workspaces.service import Workspaces
from runyard.server.workspaces.types import Workspace, artifact_root

_PAGE = 1000
_MODES = ("RESTRICT", "CASCADE", "SET_DEFAULT")


class TraceArchival(Request):
    """Where MLflow archives traces."""

    location: str | None = None
    retention: str | None = None


class CreateWorkspace(Request):
    """workspaces (POST)"""

    name: str | None = None
    description: str | None = None
    default_artifact_root: str | None = None
    trace_archival_config: TraceArchival | None = None


class UpdateWorkspace(Request):
    """workspaces/{workspace} (PATCH)"""

    description: str | None = None
    default_artifact_root: str | None = None
    trace_archival_config: TraceArchival | None = None


class DeleteWorkspace(Request):
    """workspaces/{workspace} (DELETE)"""

    mode: str | None = None


class WireWorkspace(Answer):
    """A workspace as MLflow shows it."""

    name: str
    description: str = ""
    default_artifact_root: str = ""


class FoundWorkspace(Answer):
    """workspaces/{workspace}, workspaces (POST)"""

    workspace: WireWorkspace


class FoundWorkspaces(Answer):
    """workspaces (GET)"""

    workspaces: list[WireWorkspace] = []


class WorkspaceEndpoints:
    """Handlers of `/mlflow/workspaces...`."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        every, one = "/mlflow/workspaces", "/mlflow/workspaces/{workspace}"
        return [
            Route(
                method="GET",
                path=every,
                handler=self.list,
                permission=Permission.SIGNED_IN,
                summary="List workspaces",
                response=FoundWorkspaces,
                tag="workspaces",
            ),
            Route(
                method="POST",
                path=every,
                handler=self.create,
                permission=Permission.WORKSPACE_CREATE,
                summary="Create a workspace",
                request=CreateWorkspace,
                source="body",
                response=FoundWorkspace,
                tag="workspaces",
                status=201,
            ),
            Route(
                method="GET",
                path=one,
                handler=self.get,
                permission=Permission.WORKSPACE_READ,
                summary="Get a workspace",
                response=FoundWorkspace,
                tag="workspaces",
            ),
            Route(
                method="PATCH",
                path=one,
                handler=self.update,
                permission=Permission.WORKSPACE_WRITE,
                summary="Change a workspace",
                request=UpdateWorkspace,
                source="body",
                response=FoundWorkspace,
                tag="workspaces",
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self.delete,
                permission=Permission.WORKSPACE_DELETE,
                summary="Move a workspace to the trash",
                request=DeleteWorkspace,
                source="query",
                tag="workspaces",
                status=204,
            ),
        ]

    async def list(self, call: Call) -> FoundWorkspaces:
        """workspaces (GET): all at once, for the protocol has no pages here."""
        states = (WorkspaceState.ACTIVE, WorkspaceState.ARCHIVED)
        found: list[Workspace] = []
        token: str | None = None
        while True:
            page = await self._workspaces.search(call.principal, states, limit=_PAGE, token=token)
            found += page.items
            token = page.next_token
            if token is None:
                return FoundWorkspaces([_shown(one) for one in found])

    async def create(self, call: Call) -> FoundWorkspace:
        """workspaces (POST)"""
        sent: CreateWorkspace = call.body
        name = wire.required(sent.name, "name")
        _check_places(name, sent)
        created = await self._workspaces.create(call.principal, name, sent.description or "", {})
        return FoundWorkspace(_shown(created))

    async def get(self, call: Call) -> FoundWorkspace:
        """workspaces/{workspace} (GET)"""
        found = await self._workspaces.get(call.principal)
        if found.state is WorkspaceState.DELETED:
            raise _missing(found.name)
        return FoundWorkspace(_shown(found))

    async def update(self, call: Call) -> FoundWorkspace:
        """workspaces/{workspace} (PATCH)"""
        sent: UpdateWorkspace = call.body
        name = call.principal.workspace.name
        if call.principal.workspace.state is WorkspaceState.DELETED:
            raise _missing(name)
        if sent == UpdateWorkspace():
            raise InvalidArgument("Workspace update must have at least one key, such as 'description'.")
        _check_places(name, sent)
        changed = await self._workspaces.update(call.principal, description=sent.description)
        return FoundWorkspace(_shown(changed))

    async def delete(self, call: Call) -> Empty:
        """workspaces/{workspace} (DELETE)"""
        mode = call.body.mode or "RESTRICT"
        if mode not in _MODES:
            raise InvalidArgument(
                f"Invalid deletion mode '{mode[:100]}'. Must be one of: {', '.join(_MODES)}", field="mode"
            )
        if mode == "SET_DEFAULT":
            raise NotImplementedHere(
                "This server doesn't move what is in a workspace to the default one: experiments and "
                "artifacts stay in the workspace that they were made in. Use mode=CASCADE, which moves the "
                "workspace to the trash with all that is in it and can be undone."
            )
        if call.principal.workspace.state is WorkspaceState.DELETED:
            raise _missing(call.principal.workspace.name)
        await self._workspaces.delete(call.principal, if_empty=mode == "RESTRICT")
        return EMPTY


def _shown(found: Workspace) -> WireWorkspace:
    return WireWorkspace(found.name, found.description, found.artifact_location)


def _missing(name: str) -> NotFound:
    """MLflow knows no trash: what is there is gone."""
    return NotFound(f"Workspace '{name}' not found", field="workspace")


def _check_places(name: str, sent: CreateWorkspace | UpdateWorkspace) -> None:
    """Refuse places that this server doesn't put anything in, rather than forget them."""
    own = artifact_root(name)
    if (sent.default_artifact_root or own).strip().rstrip("/") not in ("", own):
        raise InvalidArgument(
            f"'default_artifact_root' can't be chosen on this server: a workspace's artifacts are at {own}. "
            "Leave it out; an experiment may have an artifact_location of its own.",
            field="default_artifact_root",
        )
    archival = sent.trace_archival_config
    if archival is not None and (archival.location or archival.retention):
        raise InvalidArgument(
            "'trace_archival_config' can't be chosen on this server: it stores no traces. Leave it out.",
            field="trace_archival_config",
        )
