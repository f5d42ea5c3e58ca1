"""SQL of what principals hold beside their credentials: memberships, roles and rules move with their holders
into the trash and back.

A row moves back when all that it is about is there again: a membership with the later one of group and
member, an assignment of a deleted role with the later one of role and holder.

Rules are on the move with their holders, and with folders: one at a time, under one lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from runyard.server.auth import tables as t
from runyard.server.auth.permissions import Level
from runyard.server.db import Query, Row, Transaction, in_list

_p, _g, _a = t.principal.c, t.group_member.c, t.role_assignment.c
_dg, _da = t.deleted_group_member.c, t.deleted_role_assignment.c


def _take(source: Table, target: Table, *where: ColumnElement[bool]) -> Query:
    """Deletes rows and returns them as `target` holds them."""
    columns: list[Any] = [source.c.get(c.name, literal_column("0")) for c in target.c]
    return Query(delete(source).where(*where).returning(*columns))


def _give(table: Table) -> Query:
    return Query(
        lambda d: (
            d.insert(table).values({c.name: bindparam(c.name) for c in table.c}).on_conflict_do_nothing()
        )
    )


_RULES = ((t.folder_rule, t.deleted_folder_rule), (t.experiment_rule, t.deleted_experiment_rule))
_held: BindParameter[int] = bindparam("pid")
_take_all = [
    (
        _take(t.group_member, t.deleted_group_member, or_(_g.principal_id == _held, _g.group_id == _held)),
        t.deleted_group_member,
    ),
    (
        _take(t.role_assignment, t.deleted_role_assignment, _a.principal_id == _held),
        t.deleted_role_assignment,
    ),
    *((_take(rules, deleted, rules.c.principal_id == _held), deleted) for rules, deleted in _RULES),
]
_give_into = {
    table.name: _give(table)
    for table in (
        t.group_member,
        t.deleted_group_member,
        t.role_assignment,
        t.deleted_role_assignment,
        *(table for pair in _RULES for table in pair),
    )
}
_memberships = Query(
    select(_dg.group_id, _dg.principal_id).where(
        or_(in_list(_dg.group_id, "ids"), in_list(_dg.principal_id, "ids"))
    )
)
_principals_held = Query(
    select(_p.id).where(in_list(_p.id, "ids")).order_by(_p.id).with_for_update(read=True, key_share=True)
)
_take_memberships = _take(
    t.deleted_group_member,
    t.group_member,
    in_list(_dg.group_id, "there"),
    in_list(_dg.principal_id, "there"),
)
_role_names = Query(
    select(_da.role).distinct().where(in_list(_da.principal_id, "ids"), _da.role_id == literal_column("0"))
)
_roles_held = Query(
    select(t.role.c.name)
    .where(in_list(t.role.c.name, "names"))
    .order_by(t.role.c.name)
    .with_for_update(read=True, key_share=True)
)
_take_roles = _take(
    t.deleted_role_assignment,
    t.role_assignment,
    in_list(_da.principal_id, "ids"),
    _da.role_id == literal_column("0"),
)
_take_rules = [
    (_take(deleted, rules, in_list(deleted.c.principal_id, "ids")), rules) for rules, deleted in _RULES
]
_bind_role = Query(
    update(t.deleted_role_assignment)
    .where(_da.role_id == literal_column("0"), _da.role == bindparam("name"))
    .values(role_id=bindparam("rid"))
)
_take_role = _take(t.deleted_role_assignment, t.role_assignment, _da.role_id == bindparam("rid"))
_forget = [
    Query(delete(t.deleted_group_member).where(in_list(_dg.group_id, "ids"))),
    Query(delete(t.deleted_group_member).where(in_list(_dg.principal_id, "ids"))),
    Query(delete(t.deleted_role_assignment).where(in_list(_da.principal_id, "ids"))),
    Query(delete(t.deleted_role_assignment).where(in_list(_da.role_id, "ids"))),
    *(Query(delete(deleted).where(in_list(deleted.c.principal_id, "ids"))) for _, deleted in _RULES),
]
_df = t.deleted_folder_rule.c
_below = (
    _df.workspace_id == bindparam("workspace"),
    or_(_df.path == bindparam("path"), and_(_df.path >= bindparam("start"), _df.path < bindparam("end"))),
)
_rules_below = Query(
    select(_df.principal_id, t.deleted_identity.c.name, _df.path, _df.level)
    .select_from(t.deleted_folder_rule.join(t.deleted_identity, t.deleted_identity.c.id == _df.principal_id))
    .where(*_below)
    .order_by(_df.path, _df.principal_id)
    .limit(bindparam("count"))
)
_take_below = _take(t.deleted_folder_rule, t.deleted_folder_rule, *_below)
_rules_at = Query(
    select(_df.principal_id, _df.path, _df.level).where(
        _df.workspace_id == bindparam("workspace"), in_list(_df.path, "paths")
    )
)
_weaken = Query(
    update(t.deleted_folder_rule)
    .where(
        _df.principal_id == bindparam("pid"),
        _df.workspace_id == bindparam("workspace"),
        _df.path == bindparam("place"),
        _df.level > bindparam("most"),
    )
    .values(level=bindparam("most"))
)
# Of the locks that PostgreSQL knows by number, that of rules on the move.
_lock = Query(select(func.pg_advisory_xact_lock(literal_column(str(0x72756C << 32)))))
_end_credentials = [
    Query(delete(table).where(table.c.principal_id == bindparam("pid"))) for table in (t.token, t.login_code)
]


class Waiting(NamedTuple):
    """A folder's rule that waits in the trash for its holder, a deleted principal."""

    holder: int
    principal: str
    path: str
    level: Level


def lock_rules(tx: Transaction) -> None:
    """Keep other processes from moving folders and deleting, restoring and purging principals until the
    transaction ends: what one of them has just moved the other ones wouldn't find at either place.

    On SQLite there is one process that writes.
    """
    if tx.dialect.name == "postgresql":
        tx.rows(_lock)


def take_all(tx: Transaction, principal_id: int) -> None:
    """Move what a principal holds into the trash, and end its tokens and login codes."""
    lock_rules(tx)
    for query, target in _take_all:
        _insert(tx, target, tx.returning(query, pid=principal_id))
    for query in _end_credentials:
        tx.execute(query, pid=principal_id)


def give_back(tx: Transaction, ids: Sequence[int]) -> None:
    """Move back what restored principals held, as far as the groups, members and roles are there."""
    pairs = tx.rows(_memberships, ids=list(ids))
    there = _there(tx, {id_ for pair in pairs for id_ in pair})
    _insert(tx, t.group_member, tx.returning(_take_memberships, there=there))
    names = [row[0] for row in tx.rows(_role_names, ids=list(ids))]
    tx.rows(_roles_held, names=names)
    _insert(tx, t.role_assignment, tx.returning(_take_roles, ids=list(ids)))
    # After the principals: who deletes one of them has locked it first, too.
    lock_rules(tx)
    for query, target in _take_rules:
        _insert(tx, target, tx.returning(query, ids=list(ids)))


def rules_below(tx: Transaction, workspace_id: int, path: str, count: int) -> list[Waiting]:
    """The rules of deleted principals at a folder and below it, for whoever has locked the rules."""
    rows = tx.rows(_rules_below, workspace=workspace_id, count=count, **_within(path))
    return [Waiting(pid, name, at, Level(level)) for pid, name, at, level in rows]


def move_rules(tx: Transaction, workspace_id: int, path: str, to: str) -> dict[tuple[int, str], Level]:
    """Let the rules of deleted principals move with a folder; of two that meet, the weaker one stays.

    Returns:
        What stood at the new paths already, by holder and path.
    """
    rows = [
        (pid, workspace, to + old[len(path) :], level)
        for pid, workspace, old, level in tx.returning(_take_below, workspace=workspace_id, **_within(path))
    ]
    paths = sorted({new for _, _, new, _ in rows})
    there = {
        (pid, at): Level(level) for pid, at, level in tx.rows(_rules_at, workspace=workspace_id, paths=paths)
    }
    _insert(tx, t.deleted_folder_rule, rows)
    tx.execute_many(
        _weaken,
        [
            {"pid": pid, "workspace": workspace, "place": new, "most": level}
            for pid, workspace, new, level in rows
        ],
    )
    return there


def bind_role(tx: Transaction, name: str, role_id: int) -> None:
    """Let the deleted assignments of a role that is deleted now wait for that role, and for no other one of
    its name."""
    tx.execute(_bind_role, name=name, rid=role_id)


def give_back_role(tx: Transaction, role_id: int) -> None:
    """Give a restored role to those who held it and are there; the others get it when they are."""
    rows = tx.returning(_take_role, rid=role_id)
    there = set(_there(tx, {row[1] for row in rows}))
    _insert(tx, t.role_assignment, [row for row in rows if row[1] in there])
    waiting = [(holder, workspace, role, 0) for workspace, holder, role in rows if holder not in there]
    _insert(tx, t.deleted_role_assignment, waiting)


def forget(tx: Transaction, ids: Sequence[int]) -> None:
    """Delete what purged principals held, and who held purged roles."""
    lock_rules(tx)
    for query in _forget:
        tx.execute(query, ids=list(ids))


def _there(tx: Transaction, ids: set[int]) -> list[int]:
    """Those of these principals that exist, and do so until the transaction ends."""
    return [row[0] for row in tx.rows(_principals_held, ids=sorted(ids))]


def _within(path: str) -> dict[str, str]:
    # `0` is the character behind the slash.
    return {"path": path, "start": f"{path}/", "end": f"{path}0"}


def _insert(tx: Transaction, table: Table, rows: Sequence[Row]) -> None:
    names = table.c.keys()
    values = [dict(zip(names, row, strict=True)) for row in sorted(rows)]
    tx.execute_many(_give_into[table.name], values)
