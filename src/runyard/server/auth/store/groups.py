"""SQL of who is in which group."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from runyard.server.auth import tables as t
from runyard.server.auth.records import GroupMember
from runyard.server.auth.types import PrincipalKind
from runyard.server.db import Connection, Query, Transaction

_p, _g = t.principal.c, t.group_member.c
_members = Query(
    select(_p.kind, _p.name, _p.display_name)
    .select_from(t.group_member.join(t.principal, _p.id == _g.principal_id))
    .where(_g.group_id == bindparam("group"), _p.name > bindparam("after"))
    .order_by(_p.name)
    .limit(bindparam("count"))
)
_groups_of = Query(
    select(_p.name)
    .select_from(t.group_member.join(t.principal, _p.id == _g.group_id))
    .where(_g.principal_id == bindparam("member"))
    .order_by(_p.name)
)
_add = Query(
    lambda d: (
        d.insert(t.group_member)
        .values(group_id=bindparam("group_id"), principal_id=bindparam("principal_id"))
        .on_conflict_do_nothing()
    )
)
_remove = Query(
    delete(t.group_member).where(_g.group_id == bindparam("group"), _g.principal_id == bindparam("member"))
)


def members(connection: Connection, group_id: int, after: str, count: int) -> list[GroupMember]:
    """The next members of a group, by name."""
    rows = connection.rows(_members, group=group_id, after=after, count=count)
    return [GroupMember(PrincipalKind(kind), name, display_name) for kind, name, display_name in rows]


def groups_of(connection: Connection, principal_id: int) -> list[str]:
    """The names of the groups that a principal is in."""
    return [row[0] for row in connection.rows(_groups_of, member=principal_id)]


def add(tx: Transaction, group_id: int, principal_id: int) -> bool:
    """Put a principal into a group; False when it is in it."""
    return tx.execute(_add, group_id=group_id, principal_id=principal_id) > 0


def remove(tx: Transaction, group_id: int, principal_id: int) -> bool:
    """Take a principal out of a group; False when it isn't in it."""
    return tx.execute(_remove, group=group_id, member=principal_id) > 0
