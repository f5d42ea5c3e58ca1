"""SQL of which workspaces somebody may enter."""

from __future__ import annotations

from sqlalchemy import bindparam, select, union, union_all

from runyard.server.auth import tables as t
from runyard.server.db import Connection, Query, Transaction

_p, _g = t.principal.c, t.group_member.c
_ra, _fr, _er = t.role_assignment.c, t.folder_rule.c, t.experiment_rule.c

# The principal itself and the groups that it is in.
_selves = union_all(
    select(_p.id.label("id")).where(_p.id == bindparam("id")),
    select(_g.group_id).where(_g.principal_id == bindparam("id")),
).subquery()
_roles = Query(
    select(_ra.workspace_id, _ra.role).distinct().where(_ra.principal_id.in_(select(_selves.c.id)))
)
_by_rules = Query(
    union(
        select(_fr.workspace_id).where(_fr.principal_id.in_(select(_selves.c.id)), _fr.level > 0),
        select(_er.workspace_id).where(_er.principal_id.in_(select(_selves.c.id)), _er.level > 0),
    )
)
_assign = Query(
    lambda d: (
        d.insert(t.role_assignment).values({c.name: bindparam(c.name) for c in _ra}).on_conflict_do_nothing()
    )
)


def roles(connection: Connection, principal_id: int) -> dict[int, set[str]]:
    """The names of the roles that a principal has, by itself or through a group, by workspace."""
    found: dict[int, set[str]] = {}
    for workspace, role in connection.rows(_roles, id=principal_id):
        found.setdefault(workspace, set()).add(role)
    return found


def by_rules(connection: Connection, principal_id: int) -> set[int]:
    """The workspaces in which a principal has a rule of a folder or an experiment."""
    return {row[0] for row in connection.rows(_by_rules, id=principal_id)}


def assign(tx: Transaction, workspace_id: int, principal_id: int, role: str) -> None:
    """Give a principal a role in a workspace; one that it has it keeps."""
    tx.execute(_assign, workspace_id=workspace_id, principal_id=principal_id, role=role)
