"""Principals, what they may do, and where."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Literal

import msgspec

from runyard.server.auth.permissions import (
    ALL,
    OF_EXPERIMENTS,
    OF_LEVEL,
    OF_WORKSPACE,
    Level,
    Permission,
)


class PrincipalKind(IntEnum):
    """What a principal is."""

    LOCAL = 0
    USER = 1
    SERVICE = 2
    GROUP = 3

    @property
    def word(self) -> str:
        """What people call it."""
        return {0: "local principal", 1: "user", 2: "service principal", 3: "group"}[self]


IdentityKind = Literal["user", "service_principal", "group", "role"]
"""What lies in the trash of those whom the server knows, and of what it lets them do."""


class TokenKind(IntEnum):
    """What a token is for; each begins with letters of its own, so that a leaked one is recognized."""

    PERSONAL = 1
    TRACKING = 2
    RUN = 3
    SESSION = 4
    UPLOAD = 5

    @property
    def prefix(self) -> str:
        """How such a token begins."""
        return {1: "ryp_", 2: "ryt_", 3: "ryr_", 4: "rys_", 5: "ryu_"}[self]


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
    """What can be done in a workspace: all, reading, or nothing; a purged one is there for nobody."""

    ACTIVE = 0
    ARCHIVED = 1
    DELETED = 2
    PURGED = 3


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
        upload: the only upload whose parts it may send; None for a token that is no ticket.
    """

    id: int
    kind: TokenKind
    workspace_id: int | None
    expiry_time: int
    upload: str | None = None


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


# Places whose permissions one access remembers: who lists a large workspace asks about all of them.
MAX_EFFECTIVE = 10_000


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
        "_given",
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
        self._given = ALL if admin else OF_WORKSPACE if owner else permissions
        self.permissions = self._limited(self._given)
        most = max((*self.folders.values(), *self.experiments.values()), default=Level.NONE)
        self._somewhere = self._limited(OF_LEVEL[most])
        self._effective: dict[tuple[int, str], frozenset[Permission]] = {}

    @property
    def member(self) -> bool:
        """Whether the workspace is anything to this principal."""
        given = (*self.folders.values(), *self.experiments.values())
        return self.owner or bool(self.permissions) or max(given, default=Level.NONE) > Level.NONE

    @property
    def may_differ(self) -> bool:
        """Whether some places allow something else than the roles do."""
        return self.scope is not None or (not self.owner and bool(self.folders or self.experiments))

    @property
    def kept_out(self) -> bool:
        """Whether a rule hides some place of the workspace from this principal."""
        levels = (*self.folders.values(), *self.experiments.values())
        return not self.owner and Level.NONE in levels

    @property
    def sees_all(self) -> bool:
        """Whether nothing of the workspace's experiments is hidden from this principal."""
        return self.scope is None and Permission.EXPERIMENT_READ in self.permissions and not self.kept_out

    def withholds(self, permission: Permission) -> bool:
        """Whether the credential gives less than this, whatever its owner may do."""
        return self._limit is not None and permission not in self._limit

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
            found = self.permissions if level is None else self._limited(OF_LEVEL[level])
            if self.scope is not None and self.scope.experiment != place.experiment:
                found = frozenset()
            if len(self._effective) >= MAX_EFFECTIVE:
                self._effective.clear()
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

    def gained(self, old: Place, new: Place) -> frozenset[Permission]:
        """What the principal may do at the new place and not at the old one, with any credential."""
        before, after = (
            self._given if level is None else OF_LEVEL[level] for level in (self.level(old), self.level(new))
        )
        return (after - before) & OF_EXPERIMENTS

    def _limited(self, permissions: frozenset[Permission]) -> frozenset[Permission]:
        return permissions if self._limit is None else permissions & self._limit


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
