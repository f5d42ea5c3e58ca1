"""Which workspaces somebody may enter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runyard.server.auth.rules import BUILT_IN, OWNER, permissions_of
from runyard.server.auth.store import entry as store
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.types import DEFAULT_WORKSPACE, Principal, WorkspaceRef, WorkspaceState
from runyard.server.db import Connection, Transaction

FindWorkspace = Callable[[Connection, str], WorkspaceRef | None]
WorkspaceNames = Callable[[Connection, Sequence[int]], Mapping[int, str]]
# Of those that somebody may enter so many are told.
MAX_TOLD = 5


class Entry:
    """Finds the workspace that a request is about.

    Args:
        find_workspace: the workspace of a name, in a snapshot.
        workspace_names: the names of workspaces.
    """

    def __init__(self, find_workspace: FindWorkspace, workspace_names: WorkspaceNames) -> None:
        self._find = find_workspace
        self._names = workspace_names

    def find(self, connection: Connection, name: str, only: int | None = None) -> WorkspaceRef | None:
        """The workspace of a name; where none was named, the `only` one of a token, else the default one."""
        if not name and only is not None:
            name = self._names(connection, [only]).get(only, "")
        return self._find(connection, name or DEFAULT_WORKSPACE.name)

    def told(self, connection: Connection, principal: Principal) -> str:
        """Where to go for somebody who may not enter what was named; nothing for who may enter all."""
        ids = entered_by(connection, principal)
        if ids is None:
            return ""
        there = list[str]()
        for name in sorted(self._names(connection, sorted(ids)).values()):
            found = self._find(connection, name)
            if found is not None and found.state is not WorkspaceState.DELETED:
                there.append(name)
            if len(there) > MAX_TOLD:
                there[MAX_TOLD] = "..."
                break
        if not there and principal.only is not None:
            return (
                "Your token is for one workspace only, and that is in the trash, or you have no role in it "
                "any more."
            )
        if not there:
            return "You have no role in any workspace yet: ask an administrator of the server for one."
        first = there[0]
        return (
            f"You may enter: {', '.join(there)} (`-w {first}`, `runyard workspace use {first}`, "
            f"MLFLOW_WORKSPACE={first}, or /w/{first} behind the server's address)."
        )


def make_owner(tx: Transaction, principal: Principal, workspace_id: int) -> None:
    """Let the principal who makes a workspace own it; the local principal owns every one."""
    if principal.identity.id:
        store.assign(tx, workspace_id, principal.identity.id, OWNER)


def entered_by(connection: Connection, principal: Principal, *, owned: bool = False) -> set[int] | None:
    """The ids of the workspaces that a principal may enter, or owns; None for all that exist.

    It is what the gate finds for each of them: a role that gives something, or a rule of a folder or an
    experiment.
    """
    found: set[int] | None = None
    if not principal.identity.is_admin:
        roles = store.roles(connection, principal.identity.id)
        found = {workspace for workspace, names in roles.items() if OWNER in names}
        if not owned:
            known = dict(BUILT_IN) | {role.name: role for role in role_store.custom(connection)}
            found |= {
                workspace
                for workspace, names in roles.items()
                if permissions_of(known[name] for name in names if name in known)
            }
            found |= store.by_rules(connection, principal.identity.id)
    if principal.only is None:
        return found
    return {principal.only} if found is None or principal.only in found else set()
