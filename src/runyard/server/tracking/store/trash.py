"""SQL of the trash: what lies in it, and moving things in and out of it.

Experiments, runs and logged models have the same columns for it, but that an experiment's time of deletion
is that of its last change: nothing changes it while it lies there. Runs and models are looked up where
their experiment is in use: what went with an experiment isn't in the trash by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    bindparam,
    func,
    null,
    select,
    tuple_,
    update,
)

from runyard.server.db import Connection, Query, Transaction, in_list, nested
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import Lifecycle, Noun

_ACTIVE, _DELETED, _PURGED = int(Lifecycle.ACTIVE), int(Lifecycle.DELETED), int(Lifecycle.PURGED)
_e = t.experiment.c

EXPERIMENTS, RUNS, MODELS = t.experiment, t.run, t.logged_model
_TABLES: dict[Noun, Table] = {"experiment": EXPERIMENTS, "run": RUNS, "model": MODELS}


class Trashed(NamedTuple):
    """Something that lies in the trash."""

    key: int
    id: str
    name: str
    workspace_id: int
    experiment_id: int
    experiment_name: str
    deleted_time: int


class Place(NamedTuple):
    """Where a page of the trash begins: behind this time and key, from the newest on."""

    time: int
    key: int


def _given(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


def _time(table: Table) -> ColumnElement[int]:
    return table.c.last_update_time if table is EXPERIMENTS else table.c.deleted_time


def _behind(table: Table) -> list[ColumnElement[bool]]:
    behind = tuple_(_time(table), table.c.id) < tuple_(_given("time"), _given("key"))
    # Without the second one SQLite couldn't tell that the partial index has what is wanted.
    return [behind] if table is EXPERIMENTS else [behind, table.c.deleted_time.is_not(None)]


def _listed(table: Table, *, one: bool) -> Select[Any]:
    """The keys of a page, from the index alone."""
    found = select(table.c.id, _time(table).label("time"))
    if table is not EXPERIMENTS:
        found = found.select_from(nested(EXPERIMENTS, table, table.c.experiment_id == _e.id))
        found = found.where(_e.lifecycle == _ACTIVE)
        found = found.with_hint(table, f"INDEXED BY ix_{table.name}_trash", "sqlite")
    found = found.where(_e.workspace_id == _given("workspace"), table.c.lifecycle == _DELETED)
    found = found.where(*_behind(table), *([_e.id == _given("experiment")] if one else []))
    return found.order_by(_time(table).desc(), table.c.id.desc()).limit(_given("limit"))


def _columns(table: Table) -> tuple[list[ColumnElement[Any]], Any]:
    """The columns of `Trashed`, and what to select them from."""
    if table is EXPERIMENTS:
        # The public id is the key.
        return [_e.id, _e.id, _e.name, _e.workspace_id, _e.id, _e.name, _e.last_update_time], table
    c = table.c
    joined = table.join(EXPERIMENTS, _e.id == c.experiment_id)
    return [c.id, c.uuid, c.name, _e.workspace_id, _e.id, _e.name, c.deleted_time], joined


def _page(table: Table, *, one: bool) -> Query:
    columns, joined = _columns(table)
    page = _listed(table, one=one).subquery("page")
    found = select(*(column.label(f"c{i}") for i, column in enumerate(columns))).select_from(
        joined.join(page, page.c.id == table.c.id)
    )
    return Query(found.order_by(page.c.time.desc(), page.c.id.desc()))


def _by_id(table: Table) -> Query:
    columns, joined = _columns(table)
    sought = in_list(_e.id, "ids") if table is EXPERIMENTS else in_list(table.c.uuid, "ids")
    if table is not EXPERIMENTS:
        joined = nested(table, EXPERIMENTS, table.c.experiment_id == _e.id)
    found = select(*(column.label(f"c{i}") for i, column in enumerate(columns))).select_from(joined)
    found = found.where(sought, _e.workspace_id == _given("workspace"), table.c.lifecycle == _DELETED)
    if table is not EXPERIMENTS:
        found = found.where(_e.lifecycle == _ACTIVE)
    return Query(found.order_by(table.c.id).with_for_update(key_share=True, of=table))


def _expired(table: Table) -> Query:
    columns, joined = _columns(table)
    if table is not EXPERIMENTS:
        joined = nested(EXPERIMENTS, table, table.c.experiment_id == _e.id)
    found = select(*(column.label(f"c{i}") for i, column in enumerate(columns))).select_from(joined)
    found = found.where(table.c.lifecycle == _DELETED, *_behind(table))
    if table is not EXPERIMENTS:
        found = found.where(_e.lifecycle < _PURGED)
        found = found.with_hint(table, f"INDEXED BY ix_{table.name}_trash", "sqlite")
    return Query(found.limit(_given("limit")))


def _moved(table: Table, before: int, *where: ColumnElement[bool], **values: Any) -> Query:
    changed = update(table).where(in_list(table.c.id, "ids"), table.c.lifecycle == before, *where)
    return Query(changed.values(values))


def _restored(table: Table) -> Query:
    if table is EXPERIMENTS:
        return _moved(table, _DELETED, lifecycle=_ACTIVE, last_update_time=bindparam("now"))
    return _moved(table, _DELETED, lifecycle=_ACTIVE, deleted_time=null())


def _marked(table: Table) -> Query:
    # What was restored and deleted again since it was looked up stays.
    since = _time(table) <= _given("until")
    return _moved(table, _DELETED, since, lifecycle=_PURGED, **{_time(table).name: bindparam("now")})


_pages = {(noun, one): _page(table, one=one) for noun, table in _TABLES.items() for one in (False, True)}
_by_ids = {noun: _by_id(table) for noun, table in _TABLES.items()}
_expireds = {noun: _expired(table) for noun, table in _TABLES.items()}
_delete_runs = _moved(RUNS, _ACTIVE, lifecycle=_DELETED, deleted_time=bindparam("now"))
_restore = {noun: _restored(table) for noun, table in _TABLES.items()}
_mark = {noun: _marked(table) for noun, table in _TABLES.items()}
_mark_any = Query(
    update(EXPERIMENTS)
    .where(in_list(_e.id, "ids"))
    .values(lifecycle=_PURGED, last_update_time=bindparam("now"))
)
_locations = Query(select(_e.id, _e.artifact_location).where(in_list(_e.id, "ids")))
_of_workspace = Query(
    select(_e.id)
    .where(_e.workspace_id == bindparam("workspace"), _e.lifecycle < _PURGED)
    .limit(bindparam("limit"))
)
_count_of_workspace = Query(
    select(func.count()).select_from(EXPERIMENTS).where(_e.workspace_id == bindparam("workspace"))
)

_r = t.run.c
_older = Query(
    select(_r.id, _r.uuid)
    .where(
        _r.experiment_id == bindparam("experiment"),
        _r.lifecycle == _ACTIVE,
        _r.start_time <= bindparam("time"),
    )
    .order_by(_r.start_time, _r.id)
    .limit(bindparam("limit"))
    .with_for_update(key_share=True)
)
_deleted_since = Query(
    select(_r.id)
    .where(
        _r.experiment_id == bindparam("experiment"),
        _r.lifecycle == _DELETED,
        _r.deleted_time >= bindparam("time"),
    )
    .order_by(_r.deleted_time.desc(), _r.id.desc())
    .limit(bindparam("limit"))
    .with_for_update(key_share=True)
)


def page(
    connection: Connection,
    noun: Noun,
    workspace: int,
    *,
    experiment: int | None,
    behind: Place,
    limit: int,
) -> list[Trashed]:
    """What of a workspace, or of one experiment in it, was deleted last, before a place."""
    query = _pages[noun, experiment is not None]
    given = {} if experiment is None else {"experiment": experiment}
    rows = connection.rows(query, workspace=workspace, time=behind.time, key=behind.key, limit=limit, **given)
    return [_trashed(row) for row in rows]


def lock(tx: Transaction, noun: Noun, workspace: int, ids: Sequence[Any]) -> list[Trashed]:
    """Those of a workspace's things that lie in the trash; nobody else changes them in this transaction.

    Args:
        tx: the transaction.
        noun: the kind of thing.
        workspace: whose.
        ids: of experiments their ids as numbers, else the public ids.
    """
    return [_trashed(row) for row in tx.rows(_by_ids[noun], workspace=workspace, ids=list(ids))]


def expired(connection: Connection, noun: Noun, before: int, limit: int) -> list[Trashed]:
    """Some of what was deleted before a time, anywhere."""
    return [_trashed(row) for row in connection.rows(_expireds[noun], time=before, key=-1, limit=limit)]


def locations(connection: Connection, experiments: Sequence[int]) -> dict[int, str]:
    """Where experiments keep their artifacts."""
    return dict(connection.rows(_locations, ids=list(experiments)))


def older_runs(tx: Transaction, experiment: int, start_time: int, limit: int) -> dict[int, str]:
    """The first of an experiment's active runs by their start, up to a time: their public ids by key."""
    return dict(tx.rows(_older, experiment=experiment, time=start_time, limit=limit))


def runs_deleted_since(tx: Transaction, experiment: int, since: int, limit: int) -> list[int]:
    """The runs of an experiment that were deleted last, by themselves, down to a time."""
    return [row[0] for row in tx.rows(_deleted_since, experiment=experiment, time=since, limit=limit)]


def delete_runs(tx: Transaction, keys: Collection[int], now: int) -> int:
    """Move active runs to the trash; returns how many were active."""
    return tx.execute(_delete_runs, ids=list(keys), now=now)


def restore(tx: Transaction, noun: Noun, keys: Sequence[int], now: int) -> int:
    """Bring things back from the trash; returns how many lay in it."""
    given = {"now": now} if noun == "experiment" else {}
    return tx.execute(_restore[noun], ids=list(keys), **given)


def mark(tx: Transaction, noun: Noun, keys: Sequence[int], now: int, until: int) -> None:
    """Let things be seen no more that were deleted until a time; they are destroyed afterwards."""
    tx.execute(_mark[noun], ids=list(keys), now=now, until=until)


def mark_workspace(tx: Transaction, workspace: int, now: int, limit: int) -> int:
    """Mark experiments of a workspace, whatever their state; returns how many, at most `limit`."""
    keys = [row[0] for row in tx.rows(_of_workspace, workspace=workspace, limit=limit)]
    tx.execute(_mark_any, ids=keys, now=now)
    return len(keys)


def count_experiments(connection: Connection, workspace: int) -> int:
    """How many experiments a workspace has, those included that are being destroyed."""
    found: int = connection.value(_count_of_workspace, workspace=workspace)
    return found


def _trashed(row: Any) -> Trashed:
    return Trashed(row[0], str(row[1]), *row[2:])
