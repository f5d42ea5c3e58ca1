"""SQL of what workspaces, experiments and runs hold in sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, or_, select

from runyard.server.db import Connection, Dialect, Query, Transaction, in_list
from runyard.server.workspaces.tables import usage as u
from runyard.server.workspaces.types import Scope, Sums

# What a sum is of, and its id.
Key = tuple[Scope, int]

_NAMES = ("scope", "id", "points", "runs", "size", "files")
_SUMS = (u.c.points, u.c.runs, u.c.size, u.c.files)

_of = Query(select(*_SUMS).where(u.c.scope == bindparam("scope"), u.c.id == bindparam("id")))
_every = Query(select(u.c.id, *_SUMS).where(u.c.scope == bindparam("scope")))
_some = Query(select(u.c.id, *_SUMS).where(u.c.scope == bindparam("scope"), in_list(u.c.id, "ids")))
_with_files = Query(select(u.c.id).where(u.c.scope == bindparam("scope"), or_(u.c.size != 0, u.c.files != 0)))
_delete = Query(delete(u).where(u.c.scope == bindparam("scope_"), in_list(u.c.id, "ids")))


def _upsert(d: Dialect) -> Any:
    insert = d.insert(u).values({name: bindparam(name) for name in _NAMES})
    return insert.on_conflict_do_update(
        index_elements=[u.c.scope, u.c.id],
        set_={name: u.c[name] + insert.excluded[name] for name in _NAMES[2:]},
    )


_add = Query(_upsert)


def sums(connection: Connection, key: Key) -> Sums:
    """What is stored of one of them; zeros where nothing is."""
    row = connection.row(_of, scope=int(key[0]), id=key[1])
    return Sums() if row is None else Sums(*row)


def some(connection: Connection, scope: Scope, ids: Sequence[int]) -> dict[int, Sums]:
    """What is stored of some of one kind; zeros where nothing is."""
    rows = connection.rows(_some, scope=int(scope), ids=list(ids))
    return dict.fromkeys(ids, Sums()) | {row[0]: Sums(*row[1:]) for row in rows}


def every(connection: Connection, scope: Scope) -> dict[int, Sums]:
    """What is stored of all of one kind."""
    return {row[0]: Sums(*row[1:]) for row in connection.rows(_every, scope=int(scope))}


def with_files(connection: Connection, scope: Scope) -> set[int]:
    """Those of one kind of which files are counted."""
    return {row[0] for row in connection.rows(_with_files, scope=int(scope))}


def add(tx: Transaction, changes: Mapping[Key, Sums]) -> None:
    """Add to what is stored; in the order of the keys, so that two processes don't deadlock."""
    tx.execute_rows(
        _add, [(*key, s.points, s.runs, s.size, s.files) for key, s in sorted(changes.items(), key=_key)]
    )


def forget(tx: Transaction, scope: Scope, ids: Sequence[int]) -> None:
    """Delete the sums of what is gone."""
    tx.execute(_delete, scope_=int(scope), ids=list(ids))


def _key(change: tuple[Key, Sums]) -> Key:
    return change[0]
