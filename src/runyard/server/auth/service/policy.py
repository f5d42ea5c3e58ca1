"""The one policy function: deny by default."""

from __future__ import annotations

from runyard.server.auth.permissions import Permission
from runyard.server.auth.types import Place, Principal, TokenKind, WorkspaceState
from runyard.server.kernel.errors import NotFound, PermissionDenied

_READS = ("/read", "public", "signedIn")
_PARTIAL = (TokenKind.TRACKING, TokenKind.RUN, TokenKind.UPLOAD)
_MORE_THAN_DELETING = (Permission.TRASH_PURGE, Permission.RULE_WRITE)
# What a token gives at most, for who asks it for more.
_GIVES = {
    TokenKind.PERSONAL: "a token for one workspace gives nothing on the server as a whole",
    TokenKind.TRACKING: "a tracking token is for experiments, runs, models and their files, and no more",
    TokenKind.RUN: "a run token is for its run and that run's children, and no more",
    TokenKind.UPLOAD: "an upload's ticket is good for the parts of the upload, and no more",
}


def require(principal: Principal, permission: Permission, place: Place | None = None) -> None:
    """Let `principal` pass if it holds `permission`.

    Args:
        principal: who asks.
        permission: for what.
        place: where, for what is about experiments; None asks for the workspace as a whole.

    Raises:
        PermissionDenied: it doesn't, or nothing is changed in this workspace.
    """
    if not principal.access.allows(permission, place):
        where = "" if place is None or not place.name else f" in {place.name[:200]!r}"
        raise denied(principal, permission, where)
    check_state(principal, permission)


def require_to_leave(principal: Principal, place: Place, name: str, *, deleted: bool = False) -> None:
    """Let `principal` take an experiment from its place to a new name.

    Where it may do more there than here, that is a deletion here: else it could destroy there what it may
    only edit here. So it is for what lies in the trash. Nobody comes that way to what a deletion doesn't
    give: to destroy for good, or to set the rules of others.

    Args:
        principal: who does it.
        place: where the experiment is.
        name: its new name.
        deleted: whether it lies in the trash.

    Raises:
        PermissionDenied: it is a deletion, and `principal` may not delete here; or it is more than one.
    """
    permission = Permission.EXPERIMENT_DELETE
    gained = principal.access.gained(place, Place(place.experiment, name))
    needed = [permission] if deleted or gained else []
    needed += [one for one in _MORE_THAN_DELETING if one in gained]
    for one in needed:
        if not principal.access.allows(one, place):
            why = "more would be allowed there than here" if gained else "it lies in the trash"
            raise PermissionDenied(
                f"{principal.name} may not take {place.name[:200]!r} to {name[:200]!r}: {why}, so it needs "
                f"the permission '{one.value}' where it is now. Ask an owner of the workspace "
                f"'{principal.workspace.name}' for it."
            )


def require_anywhere(principal: Principal, permission: Permission) -> None:
    """Let `principal` pass if it holds `permission` at least somewhere in its workspace.

    Raises:
        PermissionDenied: it doesn't.
    """
    if not principal.access.admits(permission):
        raise denied(principal, permission)
    check_state(principal, permission)


def sees(principal: Principal, place: Place) -> bool:
    """Whether `principal` may know that an experiment and what belongs to it exist."""
    return principal.access.allows(Permission.EXPERIMENT_READ, place)


def require_whole(principal: Principal, what: str) -> None:
    """Refuse a credential that is for less than everything its owner may do.

    Args:
        principal: who asks.
        what: what such a credential doesn't do, for the message: `manage users`.

    Raises:
        PermissionDenied: it is a tracking token, a run's token, or a token for one workspace.
    """
    token = principal.token
    if token is not None and (token.kind in _PARTIAL or token.workspace_id is not None):
        raise PermissionDenied(
            f"A {token.kind.name.lower()} token of one workspace doesn't {what}. Sign in, or send a personal "
            "token that isn't bound to a workspace."
        )


def check_state(principal: Principal, permission: Permission) -> None:
    """Refuse changes in a workspace that is archived.

    Raises:
        PermissionDenied: it is.
    """
    state = principal.workspace.state
    if state is WorkspaceState.ACTIVE or permission.value.endswith(_READS):
        return
    if permission.value.startswith(("workspaces/", "server/")):
        return
    raise PermissionDenied(
        f"The workspace '{principal.workspace.name}' is archived: it can be read, not changed. "
        "An owner can make it active again."
    )


def denied(principal: Principal, permission: Permission, where: str = "") -> PermissionDenied:
    """The error for what somebody may not do, with who or what helps."""
    token = principal.token
    if permission.of_server and not principal.identity.is_admin:
        why = "only administrators of the server may."
    elif token is not None and principal.access.withholds(permission):
        unbound = " that isn't bound to a workspace" if permission.of_server else ""
        why = f"{_GIVES[token.kind]}. Sign in, or send a personal token{unbound}."
    else:
        why = (
            f"it needs the permission '{permission.value}'. Ask an owner of the workspace "
            f"'{principal.workspace.name}' for it."
        )
    return PermissionDenied(f"{principal.name} may not do this{where}: {why}")


def missing(workspace: str, told: str = "") -> NotFound:
    """The error for a workspace that doesn't exist, or isn't there for the principal.

    Args:
        workspace: its name, as it was sent.
        told: which ones the principal may enter.
    """
    text = f"There is no workspace '{workspace[:100]}' that you may enter. {told}"
    return NotFound(text.rstrip(), field="workspace")
