"""Which workspaces somebody may enter."""

from __future__ import annotations

from runyard.server.auth.rules import BUILT_IN, OWNER, permissions_of
from runyard.server.auth.store import entry as store
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.types import Principal
from runyard.server.db import Connection, Transaction


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
