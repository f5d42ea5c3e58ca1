"""What somebody may do in a workspace, as its roles and rules say now."""

from __future__ import annotations

from runyard.server.auth.permissions import Permission
from runyard.server.auth.rules import BUILT_IN, OWNER, permissions_of
from runyard.server.auth.store import access as store
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.types import Access, Identity, RunScope
from runyard.server.db import Connection


def access_of(
    connection: Connection,
    identity: Identity,
    workspace_id: int,
    limit: frozenset[Permission] | None = None,
    scope: RunScope | None = None,
) -> Access:
    """What a principal may do in a workspace.

    Args:
        connection: a snapshot.
        identity: who.
        workspace_id: where.
        limit: what the credential allows at most; None for everything.
        scope: the run that a run's token is for.
    """
    if identity.is_admin:
        return Access(admin=True, limit=limit, scope=scope)
    names = store.roles_of(connection, identity.id, workspace_id)
    if OWNER in names:
        return Access(owner=True, limit=limit, scope=scope)
    roles = [BUILT_IN[name] for name in names if name in BUILT_IN]
    if len(roles) < len(names):
        roles += [role for role in role_store.custom(connection) if role.name in names]
    return Access(
        permissions_of(roles),
        folders=store.folder_rules_of(connection, identity.id, workspace_id),
        experiments=store.experiment_rules_of(connection, identity.id, workspace_id),
        limit=limit,
        scope=scope,
    )
