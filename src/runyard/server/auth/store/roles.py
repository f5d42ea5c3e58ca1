"""SQL of custom roles, and of who has which role in a workspace."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, case, delete, exists, func, or_, select

from runyard.server.auth import tables as t
from runyard.server.auth.records import Held, Member
from runyard.server.auth.types import PrincipalKind, RoleDefinition
from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list

_c, _a, _p = t.role.c, t.role_assignment.c, t.principal.c
_columns = (_c.name, _c.description, _c.actions, _c.not_actions)
_all = Query(select(*_columns).order_by(_c.name))
_of_name = select(*_columns).where(_c.name == bindparam("name"))
_by_name = Query(_of_name)
_by_name_held = Query(_of_name.with_for_update(read=True, key_share=True))
_by_name_locked = Query(_of_name.with_for_update())
_uses = Query(select(func.count()).select_from(t.role_assignment).where(_a.role == bindparam("name")))


def _upsert(d: Dialect) -> Any:
    insert = d.insert(t.role).values({c.name: bindparam(c.name) for c in _c})
    changed = {c.name: getattr(insert.excluded, c.name) for c in _c if c is not _c.name}
    return insert.on_conflict_do_update(index_elements=[_c.name], set_=changed)


_set = Query(_upsert)
_assign = Query(
    lambda d: (
        d.insert(t.role_assignment).values({c.name: bindparam(c.name) for c in _a}).on_conflict_do_nothing()
    )
)
_take = Query(
    delete(t.role_assignment).where(
        _a.workspace_id == bindparam("workspace"),
        _a.principal_id == bindparam("principal"),
        _a.role == bindparam("role_"),
    )
)
_members = Query(
    select(_p.id, _p.kind, _p.name, _p.display_name)
    .where(
        _p.name > bindparam("after"),
        exists().where(_a.workspace_id == bindparam("workspace"), _a.principal_id == _p.id),
    )
    .order_by(_p.name)
    .limit(bindparam("count"))
)
_roles_of = Query(
    select(_a.principal_id, _a.role)
    .where(_a.workspace_id == bindparam("workspace"), in_list(_a.principal_id, "principals"))
    .order_by(_a.principal_id, _a.role)
)
_group = t.principal.alias()
_held = Query(
    select(_a.workspace_id, _a.role, case((_group.c.id == bindparam("pid"), None), else_=_group.c.name))
    .select_from(t.role_assignment.join(_group, _group.c.id == _a.principal_id))
    .where(
        or_(
            _a.principal_id == bindparam("pid"),
            _a.principal_id.in_(
                select(t.group_member.c.group_id).where(t.group_member.c.principal_id == bindparam("pid"))
            ),
        )
    )
    .order_by(_a.workspace_id, _a.role, _group.c.name)
    .limit(bindparam("count"))
)
_holders = Query(
    select(_p.name, _a.workspace_id)
    .select_from(t.role_assignment.join(t.principal, _p.id == _a.principal_id))
    .where(_a.role == bindparam("name"))
    .order_by(_a.workspace_id, _p.name)
    .limit(bindparam("count"))
)
_decode = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


def custom(connection: Connection) -> list[RoleDefinition]:
    """All custom roles, by name."""
    return [_role(row) for row in connection.rows(_all)]


def find(connection: Connection, name: str) -> RoleDefinition | None:
    """A custom role."""
    row = connection.row(_by_name, name=name)
    return None if row is None else _role(row)


def hold(tx: Transaction, name: str) -> RoleDefinition | None:
    """Like `find`; until the transaction ends, nobody deletes it."""
    row = tx.row(_by_name_held, name=name)
    return None if row is None else _role(row)


def lock(tx: Transaction, name: str) -> RoleDefinition | None:
    """Like `find`; until the transaction ends, nobody else changes or assigns it."""
    row = tx.row(_by_name_locked, name=name)
    return None if row is None else _role(row)


def save(tx: Transaction, role: RoleDefinition) -> None:
    """Make or change a custom role."""
    tx.execute(
        _set,
        name=role.name,
        description=role.description,
        actions=_encode(role.actions).decode(),
        not_actions=_encode(role.not_actions).decode(),
    )


def uses(connection: Connection, name: str) -> int:
    """How often a role is assigned, in all workspaces together."""
    count: int = connection.value(_uses, name=name)
    return count


def holders(connection: Connection, name: str, count: int) -> list[tuple[str, int]]:
    """Some of those who have a role, and in which workspace."""
    return [(row[0], row[1]) for row in connection.rows(_holders, name=name, count=count)]


def held(connection: Connection, principal_id: int, count: int) -> list[Held]:
    """The roles that a principal and its groups have, in all workspaces."""
    return [Held(*row) for row in connection.rows(_held, pid=principal_id, count=count)]


def assign(tx: Transaction, workspace_id: int, principal_id: int, role: str) -> bool:
    """Give a principal a role in a workspace; False when it has it."""
    return tx.execute(_assign, workspace_id=workspace_id, principal_id=principal_id, role=role) > 0


def take(tx: Transaction, workspace_id: int, principal_id: int, role: str) -> bool:
    """Take a role from a principal; False when it doesn't have it."""
    return tx.execute(_take, workspace=workspace_id, principal=principal_id, role_=role) > 0


def members(connection: Connection, workspace_id: int, after: str, count: int) -> list[Member]:
    """The next principals with roles in a workspace, by name."""
    rows = connection.rows(_members, workspace=workspace_id, after=after, count=count)
    found: dict[int, list[str]] = {row[0]: [] for row in rows}
    for principal_id, role in connection.rows(_roles_of, workspace=workspace_id, principals=list(found)):
        found[principal_id].append(role)
    return [Member(PrincipalKind(row[1]), row[2], row[3], found[row[0]]) for row in rows]


def _role(row: Row) -> RoleDefinition:
    return RoleDefinition(row[0], row[1], _decode(row[2]), _decode(row[3]))
