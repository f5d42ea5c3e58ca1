"""SQL of artifact files in the trash.

A row's state changes only from the one that it is expected in: who comes late, after a kill or a pause,
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.sql.functions import coalesce

from runyard.server.db import Connection, Dialect, Query, Transaction, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import FileState, Lifecycle

_a, _e, _r, _m = t.deleted_artifact.c, t.experiment.c, t.run.c, t.logged_model.c
_ACTIVE = int(Lifecycle.ACTIVE)
_DELETING, _DELETED, _RESTORING, _PURGED = map(int, FileState)


class DeletedFile(NamedTuple):
    """A file or folder on its way to the trash, in it, or on its way out.

    Attributes:
        id: the surrogate key.
        uuid: the public id.
        run_id, model_id: whose it is; one of both.
        path: where it was, from the workspace on.
        files, size: how many files it has, and their bytes.
    """

    id: int
    uuid: str
    workspace_id: int
    experiment_id: int
    run_id: int | None
    model_id: int | None
    path: str
    is_dir: int
    files: int
    size: int
    state: int
    deleted_time: int
    experiment_name: str


class NewFile(NamedTuple):
    """What is to be deleted."""

    uuid: str
    workspace_id: int
    experiment_id: int
    run_id: int | None
    model_id: int | None
    path: str
    is_dir: bool


_COLUMNS = (
    *(_a[name] for name in DeletedFile._fields[:-1]),
    _e.name,
)
_with_experiment = t.deleted_artifact.join(t.experiment, _e.id == _a.experiment_id)
_with_owner = _with_experiment.outerjoin(t.run, _r.id == _a.run_id).outerjoin(
    t.logged_model, _m.id == _a.model_id
)


def _given(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


# What lies in the trash by itself: not with its run, logged model or experiment.
_seen = (
    select(*_COLUMNS)
    .select_from(_with_owner)
    .where(_e.lifecycle == _ACTIVE, coalesce(_r.lifecycle, _m.lifecycle) == _ACTIVE)
)
# SQLite would look through the whole trash of a workspace for a few ids, if it might.
_named = (_e.workspace_id == _given("workspace"), _a.state + 0 == _DELETED, in_list(_a.uuid, "uuids"))


def _page(*where: ColumnElement[bool]) -> Query:
    behind = tuple_(_a.deleted_time, _a.id) < tuple_(_given("time"), _given("key"))
    found = _seen.where(_a.workspace_id == _given("workspace"), _a.state == _DELETED, behind, *where)
    return Query(found.order_by(_a.deleted_time.desc(), _a.id.desc()).limit(_given("limit")))


_pages = {False: _page(), True: _page(_a.experiment_id == _given("experiment"))}
_lock = Query(_seen.where(*_named).order_by(_a.id).with_for_update(key_share=True, of=t.deleted_artifact))
_all = select(*_COLUMNS).select_from(_with_experiment)
_in_trash = Query(_all.where(*_named))
_by_keys = Query(_all.where(in_list(_a.id, "ids")))
_owners = {
    table: Query(
        select(table.c.id)
        .join(t.experiment, _e.id == table.c.experiment_id)
        .where(
            table.c.id == _given("key"),
            table.c.lifecycle < int(Lifecycle.PURGED),
            _e.lifecycle < int(Lifecycle.PURGED),
        )
    )
    for table in (t.run, t.logged_model)
}
_expired = Query(_all.where(_a.state == _DELETED, _a.deleted_time < _given("before")).limit(_given("limit")))
_begun = Query(_all.where(or_(_a.state == _DELETING, _a.state == _RESTORING), _a.since <= _given("before")))
_purged = Query(
    _all.where(_a.state == _PURGED, _a.id > _given("after")).order_by(_a.id).limit(_given("limit"))
)
_insert = Query(
    lambda d: (
        d.insert(t.deleted_artifact)
        .values(
            {name: bindparam(name) for name in NewFile._fields}
            | {"files": 0, "size": 0, "state": _DELETING}
            | {"since": bindparam("now"), "deleted_time": bindparam("now_")}
        )
        .returning(_a.id)
    )
)


def _arrived(d: Dialect) -> Any:
    names = (*NewFile._fields, "files", "size", "since", "deleted_time")
    given: dict[str, Any] = {name: bindparam(name) for name in names}
    insert = d.insert(t.deleted_artifact).values({**given, "state": _DELETED})
    return insert.on_conflict_do_update(
        index_elements=[_a.uuid],
        set_={name: insert.excluded[name] for name in ("state", "files", "size", "since")},
        where=_a.state == _DELETING,
    )


_arrive = Query(_arrived)
_stays = Query(
    update(t.deleted_artifact)
    .where(_a.id == _given("key"), _a.state == _RESTORING)
    .values(state=_DELETED, since=bindparam("now"))
)


def _marked(state: int, *where: ColumnElement[bool]) -> Query:
    marked = update(t.deleted_artifact).where(in_list(_a.id, "ids"), _a.state == _DELETED, *where)
    return Query(marked.values(state=state, since=bindparam("now")))


_restore = _marked(_RESTORING)
_mark = _marked(_PURGED, _a.deleted_time <= _given("until"))
_gone = Query(delete(t.deleted_artifact).where(_a.id == _given("key"), _a.state == _given("state_")))
_remove = Query(delete(t.deleted_artifact).where(in_list(_a.id, "ids"), _a.state == _PURGED).returning(_a.id))


def page(
    connection: Connection,
    workspace: int,
    *,
    experiment: int | None,
    time: int,
    key: int,
    limit: int,
) -> list[DeletedFile]:
    """What was deleted last, before a time and key, in a workspace or in one experiment of it."""
    given = {} if experiment is None else {"experiment": experiment}
    query = _pages[experiment is not None]
    return _files(connection.rows(query, workspace=workspace, time=time, key=key, limit=limit, **given))


def lock(tx: Transaction, workspace: int, uuids: Sequence[str]) -> list[DeletedFile]:
    """Those that lie in a workspace's trash by themselves; nobody else changes them in this transaction."""
    return _files(tx.rows(_lock, workspace=workspace, uuids=list(uuids)))


def in_trash(connection: Connection, workspace: int, uuids: Sequence[str]) -> list[DeletedFile]:
    """Those that lie in a workspace's trash, by themselves or with whatever they belong to."""
    return _files(connection.rows(_in_trash, workspace=workspace, uuids=list(uuids)))


def by_keys(connection: Connection, ids: Sequence[int]) -> dict[int, DeletedFile]:
    """Those that there are, whatever their state."""
    return {one.id: one for one in _files(connection.rows(_by_keys, ids=list(ids)))}


def expired(connection: Connection, before: int, limit: int) -> list[DeletedFile]:
    """Some of what was deleted before a time, anywhere."""
    return _files(connection.rows(_expired, before=before, limit=limit))


def begun(connection: Connection, before: int) -> list[DeletedFile]:
    """Those on their way to the trash or back since a time."""
    return _files(connection.rows(_begun, before=before))


def purged(connection: Connection, after: int, limit: int) -> list[DeletedFile]:
    """The next ones to destroy, by their keys."""
    return _files(connection.rows(_purged, after=after, limit=limit))


def insert(tx: Transaction, new: NewFile, now: int) -> int:
    """Note that something is on its way to the trash; returns its key."""
    given = new._asdict() | {"is_dir": int(new.is_dir)}
    ((key,),) = tx.returning(_insert, **given, now=now, now_=now)
    return int(key)


def arrive(tx: Transaction, file: DeletedFile, now: int) -> None:
    """Note that something lies in the trash now, with its files and size.

    The row is made anew if somebody has given it up meanwhile, who took its process for dead.
    """
    given = {name: getattr(file, name) for name in (*NewFile._fields, "files", "size", "deleted_time")}
    tx.execute(_arrive, **given, since=now)


def restore(tx: Transaction, keys: Sequence[int], now: int) -> None:
    """Note that things are on their way back."""
    tx.execute(_restore, ids=list(keys), now=now)


def stays(tx: Transaction, key: int, now: int) -> None:
    """Note that something lies in the trash still, since its place isn't free."""
    tx.execute(_stays, key=key, now=now)


def gone(tx: Transaction, key: int, state: FileState) -> None:
    """Forget something that is in this state: it is back, or has never gone."""
    tx.execute(_gone, key=key, state_=int(state))


def has_owner(connection: Connection, file: DeletedFile) -> bool:
    """Whether the run or logged model is there whose the file is, be it in the trash."""
    owner, key = (t.logged_model, file.model_id) if file.run_id is None else (t.run, file.run_id)
    return connection.row(_owners[owner], key=key) is not None


def mark(tx: Transaction, keys: Sequence[int], now: int, until: int) -> None:
    """Let things be seen no more that were deleted until a time; they are destroyed afterwards."""
    tx.execute(_mark, ids=list(keys), now=now, until=until)


def remove(tx: Transaction, keys: Sequence[int]) -> set[int]:
    """Forget what is destroyed; returns what wasn't forgotten before."""
    return {row[0] for row in tx.returning(_remove, ids=list(keys))}


def _files(rows: Sequence[Any]) -> list[DeletedFile]:
    return [DeletedFile(*row) for row in rows]
