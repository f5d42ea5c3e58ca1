"""What somebody may do in a workspace, as its roles and rules say now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runyard.server.auth.permissions import Level, Permission
from runyard.server.auth.rules import BUILT_IN, OWNER, permissions_of
from runyard.server.auth.store import access as store
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.types import Access, Identity, RoleDefinition, RunScope
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
        return compose(identity, [], {}, limit=limit, scope=scope)
    names = store.roles_of(connection, identity.id, workspace_id)
    if OWNER in names:
        return compose(identity, names, {}, limit=limit, scope=scope)
    known = all(name in BUILT_IN for name in names)
    return compose(
        identity,
        names,
        {} if known else {role.name: role for role in role_store.custom(connection)},
        folders=store.folder_rules_of(connection, identity.id, workspace_id),
        experiments=store.experiment_rules_of(connection, identity.id, workspace_id),
        limit=limit,
        scope=scope,
    )


def compose(
    identity: Identity,
    names: Sequence[str],
    custom: Mapping[str, RoleDefinition],
    *,
    folders: Mapping[str, Level] | None = None,
    experiments: Mapping[int, Level] | None = None,
    limit: frozenset[Permission] | None = None,
    scope: RunScope | None = None,
) -> Access:
    """What somebody may do, from what it has: the one place where roles and rules come together.

    Args:
        identity: who.
        names: its roles in the workspace, its own and its groups'.
        custom: the roles that aren't built in, by name.
        folders, experiments: of its rules and its groups' the strongest by place; for an owner they don't
            matter. Where one place is asked about, the others' may be left out.
        limit, scope: see `access_of`.
    """
    if identity.is_admin:
        return Access(admin=True, limit=limit, scope=scope)
    if OWNER in names:
        return Access(owner=True, limit=limit, scope=scope)
    roles = [BUILT_IN.get(name) or custom.get(name) for name in names]
    return Access(
        permissions_of(role for role in roles if role is not None),
        folders=folders,
        experiments=experiments,
        limit=limit,
        scope=scope,
    )
