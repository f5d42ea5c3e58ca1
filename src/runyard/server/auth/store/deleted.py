"""SQL of deleted principals and roles: the entries of the trash, and the rows that they were and will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Column, Table, bindparam, delete, or_, select, tuple_
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from runyard.server.auth import tables as t
from runyard.server.auth.records import DeletedIdentity
from runyard.server.auth.types import IdentityKind
from runyard.server.db import Connection, Query, Row, Transaction, in_list

_d, _m, _a = t.deleted_identity.c, t.deleted_group_member.c, t.deleted_role_assignment.c


def _table(kind: IdentityKind) -> Table:
    return t.role if kind == "role" else t.principal


def _insert_into(table: Table) -> Query:
    return Query(
        lambda d: (
            d.insert(table)
            .values({c.name: bindparam(c.name) for c in table.c})
            .on_conflict_do_nothing()
            .returning(table.c.name)
        )
    )


_found = select(_d.id, _d.kind, _d.name, _d.deleted_time).where(_d.kind == bindparam("kind"))
_newest_first = (_d.deleted_time.desc(), _d.id.desc())
_page = Query(
    _found.where(tuple_(_d.deleted_time, _d.id) < tuple_(bindparam("time"), bindparam("key")))
    .order_by(*_newest_first)
    .limit(bindparam("limit"))
)
_by_ids = Query(_found.where(in_list(_d.id, "ids")).order_by(_d.id))
_expired = Query(
    _found.where(_d.deleted_time < bindparam("before")).order_by(_d.deleted_time).limit(bindparam("limit"))
)
# Also those whose memberships or roles these have: who restores a group and who restores its member must know
# of each other, or neither would bring the membership back.
_lock = Query(
    select(_d.id)
    .where(
        or_(
            in_list(_d.id, "ids"),
            _d.id.in_(select(_m.group_id).where(in_list(_m.principal_id, "ids"))),
            _d.id.in_(select(_m.principal_id).where(in_list(_m.group_id, "ids"))),
            _d.id.in_(select(_a.role_id).where(in_list(_a.principal_id, "ids"))),
            _d.id.in_(select(_a.principal_id).where(in_list(_a.role_id, "ids"))),
        )
    )
    .order_by(_d.kind, _d.id)
    .with_for_update()
)
_bodies = Query(select(_d.id, _d.name, _d.body).where(in_list(_d.id, "ids")).order_by(_d.id))
_insert = Query(lambda d: d.insert(t.deleted_identity).values({c.name: bindparam(c.name) for c in _d}))
_drop = Query(delete(t.deleted_identity).where(in_list(_d.id, "ids")))
# What was restored and deleted again since it was looked up stays.
_drop_until = Query(
    delete(t.deleted_identity)
    .where(in_list(_d.id, "ids"), _d.deleted_time <= bindparam("until"))
    .returning(_d.id)
)
_take_principal = Query(
    delete(t.principal).where(t.principal.c.id == bindparam("which")).returning(*t.principal.c)
)
_take_role = Query(delete(t.role).where(t.role.c.name == bindparam("which")).returning(*t.role.c))
_put_back = {table.name: _insert_into(table) for table in (t.principal, t.role)}


class Snapshot(NamedTuple):
    """A deleted principal or role, and the columns of the row that it was."""

    id: int
    name: str
    row: Mapping[str, Any]


def page(
    connection: Connection, kind: IdentityKind, *, time: int, key: int, limit: int
) -> list[DeletedIdentity]:
    """What of a kind was deleted last, before a time and key."""
    return [_entry(row) for row in connection.rows(_page, kind=kind, time=time, key=key, limit=limit)]


def lock(tx: Transaction, kind: IdentityKind, ids: Sequence[int]) -> list[DeletedIdentity]:
    """Those of a kind that are deleted; nobody else restores or purges them in this transaction."""
    tx.rows(_lock, ids=list(ids))
    return [_entry(row) for row in tx.rows(_by_ids, kind=kind, ids=list(ids))]


def expired(connection: Connection, kind: IdentityKind, before: int, limit: int) -> list[DeletedIdentity]:
    """Some of what was deleted before a time."""
    return [_entry(row) for row in connection.rows(_expired, kind=kind, before=before, limit=limit)]


def take(tx: Transaction, kind: IdentityKind, which: int | str, key: int, now: int) -> None:
    """Move the row of a principal, by its id, or of a role, by its name, into the trash."""
    table = _table(kind)
    query = _take_role if kind == "role" else _take_principal
    row = dict(zip(table.c.keys(), tx.returning(query, which=which)[0], strict=True))
    tx.execute(
        _insert,
        id=key,
        kind=kind,
        name=row["name"],
        deleted_time=now,
        body=msgspec.json.encode(row).decode(),
    )


def snapshots(tx: Transaction, ids: Sequence[int]) -> list[Snapshot]:
    """What was kept of these."""
    return [
        Snapshot(row[0], row[1], msgspec.json.decode(row[2], type=dict[str, Any]))
        for row in tx.rows(_bodies, ids=list(ids))
    ]


def put_back(tx: Transaction, kind: IdentityKind, found: Snapshot) -> bool:
    """Make the row that it was; False when something else is in its way."""
    table = _table(kind)
    row = {c.name: found.row.get(c.name, _unset(c)) for c in table.c}
    return bool(tx.returning(_put_back[table.name], **row))


def _unset(column: Column[Any]) -> Any:
    """What a column holds that the row was deleted without."""
    return column.default.arg if isinstance(column.default, ScalarElementColumnDefault) else None


def drop(tx: Transaction, ids: Sequence[int]) -> None:
    """Forget these: they are restored."""
    tx.execute(_drop, ids=list(ids))


def drop_until(tx: Transaction, ids: Sequence[int], until: int) -> list[int]:
    """Forget those of these that were deleted until a time; returns which."""
    return [row[0] for row in tx.returning(_drop_until, ids=list(ids), until=until)]


def _entry(row: Row) -> DeletedIdentity:
    return DeletedIdentity(row[0], cast("IdentityKind", row[1]), row[2], row[3])
