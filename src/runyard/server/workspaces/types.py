"""Values of the workspaces slice."""

from __future__ import annotations

import msgspec

from runyard.server.auth.types import WorkspaceState


class Workspace(msgspec.Struct, frozen=True):
    """A workspace. Times are milliseconds since the epoch.

    Attributes:
        id: the surrogate key; it never leaves the server.
        name: never changes; clients choose the workspace by it.
        state: what can be done in it.
        deleted_time: when it went to the trash.
        default_experiment: the experiment that clients mean by the id 0.
        tags: in the order of their keys.
    """

    id: int
    name: str
    description: str
    state: WorkspaceState
    creation_time: int
    last_update_time: int
    deleted_time: int | None
    default_experiment: int
    tags: dict[str, str] = {}
