"""Principals, what they may do, and where."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum

import msgspec


class Permission(Enum):
    """What a route needs. `PUBLIC` is a decision, not a default: every route names one.

    The names are those that custom roles match with wildcards.
    """

    PUBLIC = "public"
    # Whoever has a valid credential, in whatever workspace.
    SIGNED_IN = "signedIn"
    # About experiments: a folder's or an experiment's rule may decide, else the role in the workspace.
    EXPERIMENT_READ = "experiments/read"
    EXPERIMENT_WRITE = "experiments/write"
    EXPERIMENT_DELETE = "experiments/delete"
    RUN_READ = "experiments/runs/read"
    RUN_WRITE = "experiments/runs/write"
    RUN_DELETE = "experiments/runs/delete"
    ARTIFACT_READ = "metadata/artifacts/read"
    ARTIFACT_WRITE = "metadata/artifacts/write"
    ARTIFACT_DELETE = "metadata/artifacts/delete"
    MODEL_READ = "loggedModels/read"
    MODEL_WRITE = "loggedModels/write"
    MODEL_DELETE = "loggedModels/delete"
    RULE_READ = "experiments/permissions/read"
    RULE_WRITE = "experiments/permissions/write"
    TRASH_READ = "trash/read"
    TRASH_PURGE = "trash/purge"
    # About the workspace: the role in it decides.
    WORKSPACE_READ = "workspaces/read"
    WORKSPACE_WRITE = "workspaces/write"
    WORKSPACE_DELETE = "workspaces/delete"
    MEMBER_READ = "members/read"
    MEMBER_WRITE = "members/write"
    ACTIVITY_READ = "activity/read"
    # About the server: administrators have them.
    WORKSPACE_CREATE = "server/workspaces/create"
    USER_READ = "server/users/read"
    USER_WRITE = "server/users/write"
    ROLE_WRITE = "server/roles/write"
    SERVER_ACTIVITY_READ = "server/activity/read"

    @property
    def of_experiments(self) -> bool:
        """Whether rules of folders and experiments decide on it."""
        return self in _OF_EXPERIMENTS

    @property
    def of_server(self) -> bool:
        """Whether it is about the server as a whole, and so only for administrators."""
        return self.value.startswith("server/")


_OF_EXPERIMENTS = frozenset(
    {
        Permission.EXPERIMENT_READ,
        Permission.EXPERIMENT_WRITE,
        Permission.EXPERIMENT_DELETE,
        Permission.RUN_READ,
        Permission.RUN_WRITE,
        Permission.RUN_DELETE,
        Permission.ARTIFACT_READ,
        Permission.ARTIFACT_WRITE,
        Permission.ARTIFACT_DELETE,
        Permission.MODEL_READ,
        Permission.MODEL_WRITE,
        Permission.MODEL_DELETE,
        Permission.RULE_READ,
        Permission.RULE_WRITE,
        Permission.TRASH_READ,
        Permission.TRASH_PURGE,
    }
)


class Level(IntEnum):
    """What a rule of a folder or an experiment gives; each holds the one before."""

    NONE = 0
    READ = 1
    EDIT = 2
    MANAGE = 3


class PrincipalKind(IntEnum):
    """What a principal is."""

    LOCAL = 0
    USER = 1
    SERVICE = 2
    GROUP = 3


class TokenKind(IntEnum):
    """What a token is for; each begins with letters of its own, so that a leaked one is recognized."""

    PERSONAL = 1
    TRACKING = 2
    RUN = 3
    SESSION = 4

    @property
    def prefix(self) -> str:
        """How such a token begins."""
        return {1: "ryp_", 2: "ryt_", 3: "ryr_", 4: "rys_"}[self]


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where something stands: the experiment that it belongs to.

    Attributes:
        experiment: the experiment's id; negative where there is none: for a folder, or for one that
            doesn't exist yet. 0 is one: the default experiment.
        name: its name, which is its path: `/Shared/team/x` lies in the folder `/Shared/team`.
    """

    experiment: int
    name: str


class WorkspaceState(IntEnum):
    """What can be done in a workspace: all, reading, or nothing."""

    ACTIVE = 0
    ARCHIVED = 1
    DELETED = 2


class WorkspaceRef(msgspec.Struct, frozen=True, gc=False):
    """A workspace as a request chose it.

    Attributes:
        id: the surrogate key.
        name: its name, which never changes.
        default_experiment: the experiment that clients mean by the id 0.
        state: what can be done in it.
    """

    id: int
    name: str
    default_experiment: int
    state: WorkspaceState = WorkspaceState.ACTIVE


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who somebody is.

    Attributes:
        id: the surrogate key; 0 for the local principal.
        name: what logs, owners of runs and the activity log show.
        kind: a user, a service principal, or the local principal.
        is_admin: whether it administers the server; then it owns every workspace.
    """

    id: int
    name: str
    kind: PrincipalKind
    is_admin: bool = False


class TokenUse(msgspec.Struct, frozen=True, gc=False):
    """The token that a request was sent with.

    Attributes:
        id: the surrogate key.
        kind: what it is for.
        workspace_id: the only workspace that it is good for; None for all that its owner may enter.
        expiry_time: in milliseconds since the epoch.
    """

    id: int
    kind: TokenKind
    workspace_id: int | None
    expiry_time: int


class RoleDefinition(msgspec.Struct, frozen=True):
    """A role: names of permissions that it gives, and of those that it doesn't; `*` stands for any text."""

    name: str
    description: str
    actions: list[str]
    not_actions: list[str]


class RunScope(msgspec.Struct, frozen=True, gc=False):
    """What a run's token is for: one run, its artifacts and its children."""

    run: str
    experiment: int


class RunFound(msgspec.Struct, frozen=True, gc=False):
    """A run that somebody may write to; `over` when it has ended."""

    scope: RunScope
    over: bool


_ALL = frozenset(Permission)
_OF_WORKSPACE = frozenset(p for p in Permission if not p.of_server)
_OF_LEVEL: dict[Level, frozenset[Permission]] = {Level.NONE: frozenset(), Level.MANAGE: _OF_EXPERIMENTS}
_OF_LEVEL[Level.READ] = frozenset(
    {
        Permission.EXPERIMENT_READ,
        Permission.RUN_READ,
        Permission.ARTIFACT_READ,
        Permission.MODEL_READ,
    }
)
_OF_LEVEL[Level.EDIT] = _OF_LEVEL[Level.READ] | {
    Permission.EXPERIMENT_WRITE,
    Permission.RUN_WRITE,
    Permission.RUN_DELETE,
    Permission.ARTIFACT_WRITE,
    Permission.ARTIFACT_DELETE,
    Permission.MODEL_WRITE,
    Permission.MODEL_DELETE,
    Permission.TRASH_READ,
}

# What a credential that is good for one workspace may do at most: nothing of the server.
OF_ONE_WORKSPACE = _OF_WORKSPACE
# What a credential that is made for tracking may do, whatever its owner may.
TRACKING: frozenset[Permission] = (_OF_EXPERIMENTS - {Permission.RULE_WRITE, Permission.TRASH_PURGE}) | {
    Permission.SIGNED_IN,
    Permission.WORKSPACE_READ,
}
# The same for a run's token: it deletes nothing but what it wrote itself.
OF_RUN_TOKEN: frozenset[Permission] = frozenset(
    {
        Permission.SIGNED_IN,
        Permission.EXPERIMENT_READ,
        Permission.RUN_READ,
        Permission.RUN_WRITE,
        Permission.ARTIFACT_READ,
        Permission.ARTIFACT_WRITE,
        Permission.ARTIFACT_DELETE,
        Permission.MODEL_READ,
        Permission.MODEL_WRITE,
    }
)


class Access:
    """What one principal may do in one workspace, at one moment.

    The nearest rule decides on what belongs to an experiment: the experiment's own, else that of the
    folder of its name, else that of the folder above it, and so on. Where there is none, the roles do.
    Owners and administrators have everything.

    Args:
        permissions: what the roles give.
        owner: whether everything in the workspace is allowed.
        admin: whether everything on the server is; an administrator is an owner everywhere.
        folders: rules by folder's path; the strongest of the principal and its groups.
        experiments: rules by experiment's id, likewise.
        limit: what the credential allows at most; None for everything.
        scope: the run that a run's token is for.
    """

    __slots__ = (
        "_effective",
        "_limit",
        "_somewhere",
        "experiments",
        "folders",
        "owner",
        "permissions",
        "scope",
    )

    def __init__(
        self,
        permissions: frozenset[Permission] = frozenset(),
        *,
        owner: bool = False,
        admin: bool = False,
        folders: Mapping[str, Level] | None = None,
        experiments: Mapping[int, Level] | None = None,
        limit: frozenset[Permission] | None = None,
        scope: RunScope | None = None,
    ) -> None:
        self.owner = owner or admin
        self.folders = folders or {}
        self.experiments = experiments or {}
        self.scope = scope
        self._limit = limit
        self.permissions = self._limited(_ALL if admin else _OF_WORKSPACE if owner else permissions)
        most = max((*self.folders.values(), *self.experiments.values()), default=Level.NONE)
        self._somewhere = self._limited(_OF_LEVEL[most])
        self._effective: dict[tuple[int, str], frozenset[Permission]] = {}

    @property
    def member(self) -> bool:
        """Whether the workspace is anything to this principal."""
        given = (*self.folders.values(), *self.experiments.values())
        return self.owner or bool(self.permissions) or max(given, default=Level.NONE) > Level.NONE

    @property
    def may_differ(self) -> bool:
        """Whether some places allow something else than the roles do."""
        return not self.owner and bool(self.folders or self.experiments or self.scope)

    def admits(self, permission: Permission) -> bool:
        """Whether the permission is held anywhere in the workspace; where, `allows` decides."""
        if permission in self.permissions:
            return True
        return not self.owner and permission in self._somewhere

    def allows(self, permission: Permission, place: Place | None = None) -> bool:
        """Whether the permission is held; `place` is where, for those that are about experiments."""
        if place is None or not permission.of_experiments or (self.owner and self.scope is None):
            return permission in self.permissions
        return permission in self._at(place)

    def _at(self, place: Place) -> frozenset[Permission]:
        at = (place.experiment, place.name)
        found = self._effective.get(at)
        if found is None:
            level = self.level(place)
            found = self.permissions if level is None else self._limited(_OF_LEVEL[level])
            if self.scope is not None and self.scope.experiment != place.experiment:
                found = frozenset()
            self._effective[at] = found
        return found

    def level(self, place: Place) -> Level | None:
        """What the nearest rule gives; None where there is no rule."""
        if self.owner:
            return None
        found = self.experiments.get(place.experiment)
        if found is not None or not self.folders:
            return found
        for folder in ancestors(place.name):
            if folder in self.folders:
                return self.folders[folder]
        return None

    def _limited(self, permissions: frozenset[Permission]) -> frozenset[Permission]:
        return permissions if self._limit is None else permissions & self._limit


def permissions_at(level: Level) -> frozenset[Permission]:
    """What a rule of this level gives where it decides."""
    return _OF_LEVEL[level]


def ancestors(path: str) -> list[str]:
    """The path itself and the folders above it, nearest first; the last is `/`, which holds all."""
    found = [path] if path not in ("", "/") else []
    cut = path.rfind("/")
    while cut > 0:
        path = path[:cut]
        found.append(path)
        cut = path.rfind("/")
    found.append("/")
    return found


class Principal(msgspec.Struct, frozen=True):
    """Somebody or something that calls, in the workspace that the request chose.

    Attributes:
        identity: who it is.
        workspace: where.
        access: what it may do there.
        credential: by what it was recognized, for the activity log; never a secret.
        address: where the request came from; empty where that isn't known.
        token: the token that the request was sent with; None with a password, and without login.
    """

    identity: Identity
    workspace: WorkspaceRef
    access: Access
    credential: str
    address: str = ""
    token: TokenUse | None = None

    @property
    def name(self) -> str:
        """What logs and owners of runs show."""
        return self.identity.name

    @property
    def only(self) -> int | None:
        """The one workspace that the credential is good for; None for all that its owner may enter."""
        return None if self.token is None else self.token.workspace_id


DEFAULT_WORKSPACE = WorkspaceRef(1, "default", 0)
LOCAL_IDENTITY = Identity(0, "local", PrincipalKind.LOCAL, is_admin=True)
# Whoever reaches a server without login, which only a loopback address offers.
LOCAL = Principal(LOCAL_IDENTITY, DEFAULT_WORKSPACE, Access(admin=True), "none")
