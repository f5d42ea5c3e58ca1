"""SQL of experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, select, text, update

from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list
from runyard.server.db.sorting import SortKey, after
from runyard.server.tracking.tables import experiment as e
from runyard.server.tracking.tables import experiment_tag as t
from runyard.server.tracking.types import Experiment, Lifecycle, Tag

COLUMNS = (e.c.id, e.c.name, e.c.artifact_location, e.c.lifecycle, e.c.creation_time, e.c.last_update_time)

# Whether anybody sees it.
IS_THERE = e.c.lifecycle < int(Lifecycle.PURGED)

# In the words of the index of active ones' names, or it would not be used.
IS_ACTIVE = text("experiment.lifecycle = 0")
IS_DELETED = e.c.lifecycle == int(Lifecycle.DELETED)
# How many deleted ones of one name are looked at.
_MOST_OF_NAME = 100

_of_id = select(*COLUMNS).where(
    e.c.id == bindparam("id"), e.c.workspace_id == bindparam("workspace"), IS_THERE
)
_by_id = Query(_of_id)
_by_id_locked = Query(_of_id.with_for_update(key_share=True))
_of_name = select(*COLUMNS).where(e.c.workspace_id == bindparam("workspace"), e.c.name == bindparam("name"))
_by_name = Query(_of_name.where(IS_ACTIVE))
_deleted_by_name = Query(
    _of_name.where(IS_DELETED).order_by(e.c.last_update_time.desc(), e.c.id.desc()).limit(_MOST_OF_NAME)
)
_active_names = Query(
    select(e.c.name, e.c.id)
    .where(e.c.workspace_id == bindparam("workspace"), in_list(e.c.name, "names"), IS_ACTIVE)
    .with_hint(e, "INDEXED BY ix_experiment_active_name", "sqlite")
)
_homes = Query(
    select(e.c.id, e.c.lifecycle, e.c.artifact_location, e.c.workspace_id, e.c.name)
    .where(in_list(e.c.id, "ids"), IS_THERE)
    .order_by(e.c.id)  # all lock in one order
    .with_for_update(read=True)
)
_found = Query(
    select(e.c.id, e.c.name, e.c.lifecycle).where(
        e.c.workspace_id == bindparam("workspace"), in_list(e.c.id, "ids"), IS_THERE
    )
)
_tags_of = Query(
    select(t.c.experiment_id, t.c.key, t.c.value)
    .where(in_list(t.c.experiment_id, "ids"))
    .order_by(t.c.experiment_id, t.c.key)
)
_insert = Query(
    lambda d: (
        d.insert(e)
        .values({c.name: bindparam(c.name) for c in e.c if c is not e.c.id})
        .on_conflict_do_nothing()
        .returning(e.c.id)
    )
)
_insert_default = Query(
    lambda d: d.insert(e).values({c.name: bindparam(c.name) for c in e.c}).on_conflict_do_nothing()
)
_set_location = Query(
    update(e).where(e.c.id == bindparam("eid")).values(artifact_location=bindparam("location"))
)
_update = Query(
    update(e)
    .where(e.c.id == bindparam("eid"))
    .values(
        name=bindparam("name_"),
        lifecycle=bindparam("lifecycle_"),
        last_update_time=bindparam("last_update_time_"),
    )
)


def _upsert_tag(d: Dialect) -> Any:
    insert = d.insert(t).values(
        experiment_id=bindparam("experiment_id"), key=bindparam("key"), value=bindparam("value")
    )
    return insert.on_conflict_do_update(
        index_elements=[t.c.experiment_id, t.c.key], set_={"value": insert.excluded.value}
    )


_set_tag = Query(_upsert_tag)
_delete_tag = Query(delete(t).where(t.c.experiment_id == bindparam("eid"), t.c.key == bindparam("key_")))


def find(connection: Connection, workspace: int, experiment_id: int) -> Experiment | None:
    """One experiment with its tags, in any lifecycle."""
    row = connection.row(_by_id, id=experiment_id, workspace=workspace)
    return None if row is None else load(connection, [row])[0]


def lock(tx: Transaction, workspace: int, experiment_id: int) -> Experiment | None:
    """Like `find`; until the transaction ends, nobody else changes the row."""
    row = tx.row(_by_id_locked, id=experiment_id, workspace=workspace)
    return None if row is None else load(tx, [row])[0]


def find_by_name(connection: Connection, workspace: int, name: str) -> Experiment | None:
    """The active experiment of a name, with its tags."""
    row = connection.row(_by_name, name=name, workspace=workspace)
    return None if row is None else load(connection, [row])[0]


def all_of_name(connection: Connection, workspace: int, name: str) -> Iterator[Experiment]:
    """The experiments of a name with their tags: the active one, then those that were deleted last."""
    found = find_by_name(connection, workspace, name)
    if found is not None:
        yield found
    for row in connection.rows(_deleted_by_name, name=name, workspace=workspace):
        yield load(connection, [row])[0]


def active_names(connection: Connection, workspace: int, names: Sequence[str]) -> dict[str, int]:
    """Those of the names that active experiments have, with the ids of these."""
    return dict(connection.rows(_active_names, workspace=workspace, names=list(names)))


class Home(NamedTuple):
    """What a new run needs to know of its experiment."""

    lifecycle: int
    artifact_location: str
    workspace_id: int
    name: str


def lock_homes(tx: Transaction, ids: Iterable[int]) -> dict[int, Home]:
    """Those of the experiments that exist, anywhere; until the transaction ends, nobody changes them."""
    rows = tx.rows(_homes, ids=list(ids))
    return {row[0]: Home(*row[1:]) for row in rows}


class Found(NamedTuple):
    """What a search needs to know of an experiment."""

    name: str
    lifecycle: Lifecycle


def find_many(connection: Connection, workspace: int, ids: Sequence[int]) -> dict[int, Found]:
    """Those of the experiments that stand in a workspace."""
    rows = connection.rows(_found, workspace=workspace, ids=list(ids))
    return {row[0]: Found(row[1], Lifecycle(row[2])) for row in rows}


def load(connection: Connection, rows: Sequence[Row]) -> list[Experiment]:
    """Rows of `COLUMNS` with their tags."""
    tags: dict[int, list[Tag]] = {row[0]: [] for row in rows}
    if rows:
        for experiment_id, key, value in connection.rows(_tags_of, ids=list(tags)):
            tags[experiment_id].append(Tag(key, value))
    return [
        Experiment(row[0], row[1], row[2], Lifecycle(row[3]), row[4], row[5], tags[row[0]]) for row in rows
    ]


def insert(tx: Transaction, workspace: int, name: str, location: str, now: int) -> int | None:
    """A new active experiment; returns its id, or None when the name is taken."""
    rows = tx.returning(
        _insert,
        workspace_id=workspace,
        name=name,
        artifact_location=location,
        lifecycle=int(Lifecycle.ACTIVE),
        creation_time=now,
        last_update_time=now,
    )
    return rows[0][0] if rows else None


def insert_zero(tx: Transaction, workspace: int, name: str, location: str, now: int) -> None:
    """The experiment 0; one that exists stays as it is."""
    tx.execute(
        _insert_default,
        id=0,
        workspace_id=workspace,
        name=name,
        artifact_location=location,
        lifecycle=int(Lifecycle.ACTIVE),
        creation_time=now,
        last_update_time=now,
    )


def set_location(tx: Transaction, experiment_id: int, location: str) -> None:
    """Set where the experiment's runs keep their artifacts."""
    tx.execute(_set_location, eid=experiment_id, location=location)


def save(tx: Transaction, experiment_id: int, *, name: str, lifecycle: Lifecycle, now: int) -> None:
    """Change an experiment's name and lifecycle."""
    tx.execute(_update, eid=experiment_id, name_=name, lifecycle_=int(lifecycle), last_update_time_=now)


def set_tags(tx: Transaction, experiment_id: int, tags: Sequence[Tag]) -> None:
    """Set tags; the last of a key wins."""
    tx.execute_many(
        _set_tag, [{"experiment_id": experiment_id, "key": x.key, "value": x.value} for x in tags]
    )


def delete_tag(tx: Transaction, experiment_id: int, key: str) -> bool:
    """Delete a tag; False when there is none."""
    return tx.execute(_delete_tag, eid=experiment_id, key_=key) > 0


def search(
    connection: Connection,
    workspace: int,
    lifecycles: Sequence[int],
    where: Sequence[ColumnElement[bool]],
    keys: Sequence[SortKey],
    position: Sequence[Any] | None,
    limit: int,
) -> list[tuple[Row, Experiment]]:
    """The next experiments in an order, each with the values of its sort keys."""
    stage = IS_ACTIVE if lifecycles == [Lifecycle.ACTIVE] else e.c.lifecycle.in_(lifecycles)
    statement = select(*COLUMNS, *(k.expression.label(f"k{i}") for i, k in enumerate(keys))).where(
        e.c.workspace_id == workspace, stage, *where
    )
    if position is not None:
        statement = statement.where(after(keys, position))
    rows = connection.rows(statement.order_by(*(k.ordering for k in keys)).limit(limit))
    width = len(COLUMNS)
    return list(
        zip((row[width:] for row in rows), load(connection, [row[:width] for row in rows]), strict=True)
    )
