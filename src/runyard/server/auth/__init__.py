"""Who calls and what they may do."""

from runyard.server.auth.permissions import Level, Permission
from runyard.server.auth.service import note, require, sees
from runyard.server.auth.types import (
    DEFAULT_WORKSPACE,
    LOCAL,
    Access,
    Identity,
    Place,
    Principal,
    PrincipalKind,
    WorkspaceRef,
    WorkspaceState,
)

__all__ = [
    "DEFAULT_WORKSPACE",
    "LOCAL",
    "Access",
    "Identity",
    "Level",
    "Permission",
    "Place",
    "Principal",
    "PrincipalKind",
    "WorkspaceRef",
    "WorkspaceState",
    "note",
    "require",
    "sees",
]
