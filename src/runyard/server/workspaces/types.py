"""Values of the workspaces slice."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from runyard.server.auth.types import WorkspaceRef, WorkspaceState


class Workspace(msgspec.Struct, frozen=True):
    """A workspace. Times are milliseconds since the epoch.

    Attributes:
        id: never given to another workspace.
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

    @property
    def artifact_location(self) -> str:
        """Where the artifacts of its experiments are."""
        return artifact_root(self.name)

    @property
    def ref(self) -> WorkspaceRef:
        """What a request knows of it."""
        return WorkspaceRef(self.id, self.name, self.default_experiment, self.state)


def artifact_root(workspace: str) -> str:
    """Where the artifacts of a workspace's experiments go: through this server."""
    return f"mlflow-artifacts:/{workspace}"


class Quotas(msgspec.Struct, frozen=True, gc=False):
    """The limits of one workspace; None is no limit. What each means says `rules.QUOTAS`."""

    points_per_run: int | None = 100_000_000
    points_per_experiment: int | None = None
    points_per_workspace: int | None = None
    params_per_run: int | None = 10_000
    tags_per_run: int | None = 10_000
    runs_per_experiment: int | None = None
    runs_per_workspace: int | None = None
    artifact_bytes_per_run: int | None = None
    artifact_bytes_per_experiment: int | None = None
    artifact_bytes_per_workspace: int | None = None
    requests_per_second: int | None = None


class Scope(IntEnum):
    """What a sum is of; it is stored."""

    WORKSPACE = 0
    EXPERIMENT = 1
    RUN = 2


class Sums(msgspec.Struct, gc=False):
    """What is stored, in points of metrics, runs, and bytes and number of artifact files."""

    points: int = 0
    runs: int = 0
    size: int = 0
    files: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.points + other.points,
            self.runs + other.runs,
            self.size + other.size,
            self.files + other.files,
        )

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            self.points - other.points,
            self.runs - other.runs,
            self.size - other.size,
            self.files - other.files,
        )

    def __bool__(self) -> bool:
        return bool(self.points or self.runs or self.size or self.files)


class Count(msgspec.Struct, frozen=True, gc=False):
    """How many things there are in use, and in the trash."""

    active: int = 0
    deleted: int = 0


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How many things a workspace holds."""

    experiments: Count = Count()
    runs: Count = Count()
    models: Count = Count()


class QuotaUse(msgspec.Struct, frozen=True, gc=False):
    """One quota as it stands.

    Attributes:
        name: a field of `Quotas`.
        limit: None for none.
        used: how much of it; None where it isn't one of what is shown (a workspace has no points of a run),
            and for whom the number would tell of what it may not see.
    """

    name: str
    limit: int | None
    used: int | None


class Details(msgspec.Struct, frozen=True):
    """A workspace with all that is known of it; what is counted and used is what the reader may see."""

    workspace: Workspace
    counts: Counts
    used: Sums
    quotas: list[QuotaUse]
