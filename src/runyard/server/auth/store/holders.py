"""SQL of all who hold something at a place: by a role in its workspace, or by a rule there or above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, or_, select, union_all

from runyard.server.auth import tables as t
from runyard.server.auth.permissions import Level
from runyard.server.auth.types import Identity, PrincipalKind
from runyard.server.db import Connection, Query, in_list

_p, _g = t.principal.c, t.group_member.c
_ra, _fr, _er = t.role_assignment.c, t.folder_rule.c, t.experiment_rule.c

# Whoever has a role or a rule; groups too.
_holders = union_all(
    select(_ra.principal_id).where(_ra.workspace_id == bindparam("workspace")),
    select(_fr.principal_id).where(_fr.workspace_id == bindparam("workspace"), in_list(_fr.path, "paths")),
    select(_er.principal_id).where(
        _er.workspace_id == bindparam("workspace"), _er.experiment_id == bindparam("experiment")
    ),
).subquery()
_page = Query(
    select(_p.id, _p.name, _p.kind, _p.is_admin, _p.display_name)
    .where(
        or_(_p.kind == int(PrincipalKind.USER), _p.kind == int(PrincipalKind.SERVICE)),
        _p.is_disabled == 0,
        _p.name > bindparam("after"),
        or_(
            _p.is_admin == 1,
            _p.id.in_(select(_holders.c.principal_id)),
            _p.id.in_(select(_g.principal_id).where(_g.group_id.in_(select(_holders.c.principal_id)))),
        ),
    )
    .order_by(_p.name)
    .limit(bindparam("count"))
)
_groups = Query(
    select(_g.principal_id, _g.group_id, _p.name)
    .select_from(t.group_member.join(t.principal, _p.id == _g.group_id))
    .where(in_list(_g.principal_id, "ids"))
    .order_by(_p.name)
)
_roles = Query(
    select(_ra.principal_id, _ra.role)
    .where(_ra.workspace_id == bindparam("workspace"), in_list(_ra.principal_id, "ids"))
    .order_by(_ra.role)
)
_folders = Query(
    select(_fr.principal_id, _fr.path, _fr.level).where(
        _fr.workspace_id == bindparam("workspace"),
        in_list(_fr.principal_id, "ids"),
        in_list(_fr.path, "paths"),
    )
)
_experiments = Query(
    select(_er.principal_id, _er.level).where(
        _er.workspace_id == bindparam("workspace"),
        in_list(_er.principal_id, "ids"),
        _er.experiment_id == bindparam("experiment"),
    )
)


class Grant(NamedTuple):
    """Something that somebody has at a place: a role, or a rule's level there or above it.

    Attributes:
        group: the name of the group that it comes through; None for what is its own.
        role: of the workspace; None for a rule.
        path: the folder that the rule stands at; None for the experiment's own rule.
        level: what the rule gives.
    """

    group: str | None
    role: str | None = None
    path: str | None = None
    level: Level = Level.NONE


class Holder(NamedTuple):
    """Somebody with all that it has at a place."""

    identity: Identity
    display_name: str
    grants: list[Grant]


def page(
    connection: Connection, workspace: int, paths: Sequence[str], experiment: int, after: str, count: int
) -> list[Holder]:
    """The next who may hold something at a place, by name: administrators, and all with a role or a rule.

    Args:
        connection: a snapshot.
        workspace: where.
        paths: the place's path and the folders above it.
        experiment: the place's experiment.
        after: the name behind which the page begins.
        count: how many.
    """
    place = {"workspace": workspace, "paths": list(paths), "experiment": experiment}
    rows = connection.rows(_page, after=after, count=count, **place)
    held = _grants(connection, workspace, paths, experiment, [row[0] for row in rows])
    return [
        Holder(Identity(row[0], row[1], PrincipalKind(row[2]), bool(row[3])), row[4], held[row[0]])
        for row in rows
    ]


def grants_of(
    connection: Connection, workspace: int, paths: Sequence[str], experiment: int, principal_id: int
) -> list[Grant]:
    """All that one principal has at a place; see `page`."""
    return _grants(connection, workspace, paths, experiment, [principal_id])[principal_id]


def _grants(
    connection: Connection, workspace: int, paths: Sequence[str], experiment: int, principals: Sequence[int]
) -> dict[int, list[Grant]]:
    """What some have at a place, by themselves and through their groups."""
    held: dict[int, list[Grant]] = {one: [] for one in principals}
    # Who gets what somebody has, and through which group.
    getters: dict[int, list[tuple[int, str | None]]] = {one: [(one, None)] for one in held}
    for member, group, name in connection.rows(_groups, ids=list(held)):
        getters.setdefault(group, []).append((member, name))
    ids = list(getters)
    given = [
        (owner, Grant(None, role=role))
        for owner, role in connection.rows(_roles, workspace=workspace, ids=ids)
    ]
    given += [
        (owner, Grant(None, path=path, level=Level(level)))
        for owner, path, level in connection.rows(_folders, workspace=workspace, paths=list(paths), ids=ids)
    ]
    given += [
        (owner, Grant(None, level=Level(level)))
        for owner, level in connection.rows(_experiments, workspace=workspace, experiment=experiment, ids=ids)
    ]
    for owner, grant in given:
        for member, group in getters[owner]:
            held[member].append(grant._replace(group=group))
    return held
