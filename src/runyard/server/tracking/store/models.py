"""SQL of logged models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, bindparam, case, delete, func, select, tuple_, update

from runyard.server.auth import Place
from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import (
    Lifecycle,
    LoggedModel,
    ModelPoint,
    ModelStatus,
    NewModel,
    Param,
    Tag,
)

m = t.logged_model.c
_p, _t, _mm = t.logged_model_param, t.logged_model_tag, t.logged_model_metric

_e = t.experiment.c
# What a model counts as: what its experiment does, where that is further gone.
LIFECYCLE = case((_e.lifecycle > m.lifecycle, _e.lifecycle), else_=m.lifecycle)
FROM = t.logged_model.join(t.experiment, _e.id == m.experiment_id)
# Whether anybody sees it.
IS_THERE = and_(m.lifecycle < int(Lifecycle.PURGED), _e.lifecycle < int(Lifecycle.PURGED))

COLUMNS = (
    m.id,
    m.uuid,
    m.experiment_id,
    m.name,
    m.artifact_location,
    m.creation_time,
    m.last_update_time,
    m.status,
    m.model_type,
    m.source_run,
    LIFECYCLE,
)

_of_uuid = (
    select(*COLUMNS, _e.name)
    .select_from(FROM)
    .where(m.uuid == bindparam("uuid"), _e.workspace_id == bindparam("workspace"), IS_THERE)
)
_by_uuid = Query(_of_uuid)
_by_uuid_locked = Query(_of_uuid.with_for_update(key_share=True, of=t.logged_model))
_by_ids = Query(select(*COLUMNS).select_from(FROM).where(in_list(m.id, "ids")))
_homes = Query(
    select(m.uuid, m.id, m.experiment_id, _e.workspace_id, _e.name, m.source_run)
    .select_from(FROM)
    .where(in_list(m.uuid, "uuids"), IS_THERE)
)
_insert = Query(
    lambda d: (
        d.insert(t.logged_model)
        .values({c.name: bindparam(c.name) for c in m if c is not m.id and c is not m.deleted_time})
        .returning(m.id)
    )
)
_set_status = Query(
    update(t.logged_model)
    .where(m.id == bindparam("mid"))
    .values(status=bindparam("status_"), last_update_time=bindparam("now"))
)
_delete = Query(
    update(t.logged_model)
    .where(m.id == bindparam("mid"))
    .values(
        lifecycle=int(Lifecycle.DELETED), last_update_time=bindparam("now"), deleted_time=bindparam("now_")
    )
)


def _texts(table: Table) -> Query:
    return Query(
        select(table.c.model_id, table.c.key_id, table.c.value).where(in_list(table.c.model_id, "ids"))
    )


_params, _tags = _texts(_p), _texts(_t)
_points = Query(
    select(
        _mm.c.model_id,
        _mm.c.key_id,
        _mm.c.timestamp,
        _mm.c.step,
        _mm.c.value,
        _mm.c.is_nan,
        t.run.c.uuid,
        _mm.c.dataset_name,
        _mm.c.dataset_digest,
    )
    .select_from(_mm.join(t.run, t.run.c.id == _mm.c.run_id))
    .where(in_list(_mm.c.model_id, "ids"))
    .order_by(*_mm.primary_key.columns)
)
_count_points = Query(
    select(_mm.c.model_id, func.count()).where(in_list(_mm.c.model_id, "ids")).group_by(_mm.c.model_id)
)
_params_of = Query(
    select(_p.c.key_id, _p.c.value).where(
        _p.c.model_id == bindparam("model_id"), in_list(_p.c.key_id, "keys")
    )
)
_insert_param = Query(lambda d: d.insert(_p).values({c.name: bindparam(c.name) for c in _p.c}))


def _upsert_tag(d: Dialect) -> Any:
    insert = d.insert(_t).values({c.name: bindparam(c.name) for c in _t.c})
    return insert.on_conflict_do_update(
        index_elements=[_t.c.model_id, _t.c.key_id], set_={"value": insert.excluded.value}
    )


_set_tag = Query(_upsert_tag)
_delete_tag = Query(delete(_t).where(_t.c.model_id == bindparam("mid"), _t.c.key_id == bindparam("kid")))


def _upsert_point(d: Dialect) -> Any:
    insert = d.insert(_mm).values({c.name: bindparam(c.name) for c in _mm.c})
    new = insert.excluded
    # Of two values at one place the greater stays, as in a run, whatever the order they come in.
    return insert.on_conflict_do_update(
        index_elements=list(_mm.primary_key.columns),
        set_={"value": new.value, "is_nan": new.is_nan},
        where=tuple_(new.value, new.is_nan) > tuple_(_mm.c.value, _mm.c.is_nan),
    )


_set_point = Query(_upsert_point)


class ModelRow(NamedTuple):
    """A row of `COLUMNS`."""

    id: int
    uuid: str
    experiment_id: int
    name: str
    artifact_location: str
    creation_time: int
    last_update_time: int
    status: int
    model_type: str
    source_run: str
    lifecycle: int


class Home(NamedTuple):
    """What a metric's point needs to know of the model that it measures."""

    id: int
    experiment_id: int
    workspace_id: int
    experiment_name: str
    source_run: str


class Located(NamedTuple):
    """A model's row and where it stands."""

    row: ModelRow
    place: Place


def find(connection: Connection, workspace: int, uuid: str) -> Located | None:
    """One model of a workspace, in any lifecycle."""
    return _located(connection.row(_by_uuid, uuid=uuid, workspace=workspace))


def lock(tx: Transaction, workspace: int, uuid: str) -> Located | None:
    """Like `find`; until the transaction ends, nobody else changes the row."""
    return _located(tx.row(_by_uuid_locked, uuid=uuid, workspace=workspace))


def _located(row: Row | None) -> Located | None:
    if row is None:
        return None
    found = ModelRow(*row[:-1])
    return Located(found, Place(found.experiment_id, row[-1]))


def find_homes(connection: Connection, uuids: Collection[str]) -> dict[str, Home]:
    """Those of the models that exist, in any lifecycle."""
    return {row[0]: Home(*row[1:]) for row in connection.rows(_homes, uuids=list(uuids))}


def load_by_id(connection: Connection, keys: Keys, ids: Sequence[int]) -> list[LoggedModel]:
    """Whole models in the order of `ids`; those that don't exist are left out."""
    found = {row[0]: ModelRow(*row) for row in connection.rows(_by_ids, ids=list(ids))}
    return load(connection, keys, [found[i] for i in ids if i in found])


def load(connection: Connection, keys: Keys, rows: Sequence[ModelRow]) -> list[LoggedModel]:
    """Whole models for their rows, in the same order."""
    ids = [row.id for row in rows]
    params, tags = connection.rows(_params, ids=ids), connection.rows(_tags, ids=ids)
    points = connection.rows(_points, ids=ids)
    name = keys.names(connection, {row[1] for found in (params, tags, points) for row in found})
    points_of: dict[int, list[ModelPoint]] = {i: [] for i in ids}
    for model, key, time, step, value, is_nan, run, dataset, digest in points:
        point = ModelPoint(name[key], float("nan") if is_nan else value, time, step, run, dataset, digest)
        points_of[model].append(point)
    params_of, tags_of = _by_model(ids, params, name), _by_model(ids, tags, name)
    for found in points_of.values():
        found.sort(key=_key_of)
    return [LoggedModel(*row, params_of[row.id], tags_of[row.id], points_of[row.id]) for row in rows]


def insert(tx: Transaction, new: NewModel, experiment_id: int, artifact_location: str, now: int) -> ModelRow:
    """A new active model that is pending; without its params and tags."""
    values: dict[str, Any] = {
        "uuid": new.uuid,
        "experiment_id": experiment_id,
        "name": new.name,
        "artifact_location": artifact_location,
        "creation_time": now,
        "last_update_time": now,
        "status": int(ModelStatus.PENDING),
        "model_type": new.model_type,
        "source_run": new.source_run,
        "lifecycle": int(Lifecycle.ACTIVE),
    }
    return ModelRow(tx.returning(_insert, **values)[0][0], *values.values())


def set_status(tx: Transaction, model_id: int, status: ModelStatus, now: int) -> None:
    """Change a model's status."""
    tx.execute(_set_status, mid=model_id, status_=int(status), now=now)


def delete_model(tx: Transaction, model_id: int, now: int) -> None:
    """Move a model to the trash."""
    tx.execute(_delete, mid=model_id, now=now, now_=now)


def count_points(connection: Connection, models: Sequence[int]) -> dict[int, int]:
    """How many points measure each of these models that any do."""
    return dict(connection.rows(_count_points, ids=list(models)))


def params_of(connection: Connection, model_id: int, keys: Sequence[int]) -> dict[int, str]:
    """Those of a model's params that have one of `keys`."""
    return dict(connection.rows(_params_of, model_id=model_id, keys=list(keys)))


def insert_params(tx: Transaction, rows: Sequence[Row]) -> None:
    """New params: rows of (model, key, experiment, value); none may exist."""
    tx.execute_rows(_insert_param, rows)


def set_tags(tx: Transaction, rows: Sequence[Row]) -> None:
    """Tags: rows of (model, key, experiment, value); the last of a key wins."""
    tx.execute_rows(_set_tag, rows)


def delete_tag(tx: Transaction, model_id: int, key_id: int) -> bool:
    """Delete a tag; False when there is none."""
    return tx.execute(_delete_tag, mid=model_id, kid=key_id) > 0


class PointRow(NamedTuple):
    """A row for `set_points`, in the order of the table's columns."""

    model_id: int
    key_id: int
    timestamp: int
    step: int
    run_id: int
    dataset_name: str
    dataset_digest: str
    experiment_id: int
    is_nan: int
    value: float


def set_points(tx: Transaction, rows: Sequence[PointRow]) -> None:
    """Points that measure models; a repeated one changes nothing."""
    tx.execute_rows(_set_point, sorted(rows))


def _by_model(ids: Sequence[int], rows: Sequence[Row], name: dict[int, str]) -> dict[int, list[Tag]]:
    found: dict[int, list[Param]] = {i: [] for i in ids}
    for model, key, value in rows:
        found[model].append(Tag(name[key], value))
    for entries in found.values():
        entries.sort(key=_key_of)
    return found


def _key_of(entry: Tag | ModelPoint) -> str:
    return entry.key
