"""SQL of runs: the row itself and everything that is shown with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec
from sqlalchemy import Integer, and_, bindparam, case, func, literal_column, select, table, update
from sqlalchemy import insert as insert_into
from sqlalchemy.sql.functions import coalesce

from runyard.server.auth import Place
from runyard.server.db import Connection, Query, Row, Transaction, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import (
    DatasetInput,
    Lifecycle,
    MetricValue,
    ModelOutput,
    Param,
    Run,
    RunInfo,
    RunStatus,
    Tag,
)

r, e = t.run, t.experiment

# A run's address is its experiment's followed by its id, unless it brought one of its own.
ARTIFACT_URI = coalesce(
    r.c.artifact_uri,
    e.c.artifact_location + literal_column("'/'") + r.c.uuid + literal_column("'/artifacts'"),
)
# What a run counts as: what its experiment does, where that is further gone.
LIFECYCLE = case((e.c.lifecycle > r.c.lifecycle, e.c.lifecycle), else_=r.c.lifecycle)
COLUMNS = (
    r.c.id,
    r.c.uuid,
    r.c.experiment_id,
    r.c.name,
    r.c.user_id,
    r.c.status,
    r.c.start_time,
    r.c.end_time,
    LIFECYCLE,
    ARTIFACT_URI,
)
FROM = r.join(e, e.c.id == r.c.experiment_id)
# Whether anybody sees it.
IS_THERE = and_(r.c.lifecycle < int(Lifecycle.PURGED), e.c.lifecycle < int(Lifecycle.PURGED))

_of_uuid = (
    select(*COLUMNS, e.c.name)
    .select_from(FROM)
    .where(r.c.uuid == bindparam("uuid"), e.c.workspace_id == bindparam("workspace"), IS_THERE)
)
_by_uuid = Query(_of_uuid)
_by_uuid_locked = Query(_of_uuid.with_for_update(key_share=True, of=r))
_by_ids = Query(select(*COLUMNS).select_from(FROM).where(in_list(r.c.id, "ids")))
_ids_of = Query(
    select(r.c.uuid, r.c.id, r.c.experiment_id, LIFECYCLE, e.c.workspace_id, e.c.name)
    .select_from(FROM)
    .where(in_list(r.c.uuid, "uuids"), IS_THERE)
)
_parent = Query(
    select(t.run_tag.c.value)
    .select_from(r.join(t.run_tag, t.run_tag.c.run_id == r.c.id))
    .where(r.c.uuid == bindparam("uuid"), t.run_tag.c.key_id == bindparam("key"))
)

_params = Query(
    select(t.run_param.c.run_id, t.run_param.c.key_id, t.run_param.c.value).where(
        in_list(t.run_param.c.run_id, "ids")
    )
)
_tags = Query(
    select(t.run_tag.c.run_id, t.run_tag.c.key_id, t.run_tag.c.value).where(
        in_list(t.run_tag.c.run_id, "ids")
    )
)
_m = t.run_metric.c
_metrics = Query(
    select(_m.run_id, _m.key_id, _m.last_value, _m.last_time, _m.last_step, _m.last_nan).where(
        in_list(_m.run_id, "ids")
    )
)
_d, _rd = t.dataset, t.run_dataset
_datasets = Query(
    select(
        _rd.c.run_id,
        _d.c.name,
        _d.c.digest,
        _d.c.source_type,
        _d.c.source,
        _d.c.schema,
        _d.c.profile,
        _rd.c.tags,
    )
    .select_from(_rd.join(_d, _d.c.id == _rd.c.dataset_id))
    .where(in_list(_rd.c.run_id, "ids"))
    .order_by(_rd.c.run_id, _d.c.id, _rd.c.context)
)
_rm = t.run_model.c
_models = Query(
    select(_rm.run_id, _rm.model_uuid, _rm.direction, _rm.step)
    .where(in_list(_rm.run_id, "ids"))
    .order_by(_rm.run_id, _rm.direction, _rm.step, _rm.model_uuid)
)

_insert = Query(
    insert_into(r).values(
        id=bindparam("id"),
        uuid=bindparam("uuid"),
        experiment_id=bindparam("experiment_id"),
        name=bindparam("name"),
        user_id=bindparam("user_id"),
        start_time=bindparam("start_time"),
        status=int(RunStatus.RUNNING),
        lifecycle=int(Lifecycle.ACTIVE),
    )
)
# Where SQLite keeps the greatest id that it ever gave.
_last_id = Query(
    select(literal_column("seq"))
    .select_from(table("sqlite_sequence"))
    .where(literal_column("name") == r.name)
)
_next_ids = Query(
    select(func.nextval("run_id_seq")).select_from(func.generate_series(1, bindparam("count", type_=Integer)))
)
_save = Query(
    update(r)
    .where(r.c.id == bindparam("rid"))
    .values(status=bindparam("status_"), end_time=bindparam("end_time_"), name=bindparam("name_"))
)
_set_name = Query(update(r).where(r.c.id == bindparam("rid")).values(name=bindparam("name_")))
_set_artifact_uri = Query(
    update(r).where(r.c.id == bindparam("rid")).values(artifact_uri=bindparam("artifact_uri_"))
)
_set_lifecycle = Query(
    update(r)
    .where(r.c.id == bindparam("rid"))
    .values(lifecycle=bindparam("lifecycle_"), deleted_time=bindparam("deleted_time_"))
)

_decode_tags = msgspec.json.Decoder(dict[str, str]).decode


def info_from(row: Row) -> RunInfo:
    """A row of `COLUMNS`."""
    return RunInfo(*row)


class Located(NamedTuple):
    """A run's row and where it stands."""

    info: RunInfo
    place: Place


class RunKey(NamedTuple):
    """What is needed of a run to log to it or to read its series."""

    id: int
    experiment_id: int
    lifecycle: int
    workspace_id: int
    experiment_name: str

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.experiment_id, self.experiment_name)


def find(connection: Connection, workspace: int, uuid: str) -> Located | None:
    """One run of a workspace, in any lifecycle."""
    return _located(connection.row(_by_uuid, uuid=uuid, workspace=workspace))


def lock(tx: Transaction, workspace: int, uuid: str) -> Located | None:
    """Like `find`; until the transaction ends, nobody else changes the row."""
    return _located(tx.row(_by_uuid_locked, uuid=uuid, workspace=workspace))


def _located(row: Row | None) -> Located | None:
    if row is None:
        return None
    info = RunInfo(*row[:-1])
    return Located(info, Place(info.experiment_id, row[-1]))


def find_ids(connection: Connection, uuids: Sequence[str]) -> dict[str, RunKey]:
    """Those runs that exist, in whatever workspace."""
    return {row[0]: RunKey(*row[1:]) for row in connection.rows(_ids_of, uuids=list(uuids))}


def parent(connection: Connection, uuid: str, key: int) -> str | None:
    """The run that a run's tag with this key names as its parent."""
    found: str | None = connection.value(_parent, uuid=uuid, key=key)
    return found


def load_by_id(connection: Connection, keys: Keys, ids: Sequence[int]) -> list[Run]:
    """Whole runs in the order of `ids`; those that don't exist are left out."""
    return load(connection, keys, infos(connection, ids))


def infos(connection: Connection, ids: Sequence[int]) -> list[RunInfo]:
    """The rows of runs in the order of `ids`; those that don't exist are left out."""
    found = {row[0]: RunInfo(*row) for row in connection.rows(_by_ids, ids=list(ids))}
    return [found[i] for i in ids if i in found]


def load(connection: Connection, keys: Keys, infos: Sequence[RunInfo]) -> list[Run]:
    """Whole runs for their rows, in the same order."""
    ids = [info.id for info in infos]
    params, tags = connection.rows(_params, ids=ids), connection.rows(_tags, ids=ids)
    metrics = connection.rows(_metrics, ids=ids)
    name = keys.names(connection, {row[1] for rows in (params, tags, metrics) for row in rows})
    params_of: dict[int, list[Param]] = {i: [] for i in ids}
    tags_of: dict[int, list[Tag]] = {i: [] for i in ids}
    metrics_of: dict[int, list[MetricValue]] = {i: [] for i in ids}
    for run_id, key_id, value in params:
        params_of[run_id].append(Tag(name[key_id], value))
    for run_id, key_id, value in tags:
        tags_of[run_id].append(Tag(name[key_id], value))
    for run_id, key_id, value, time, step, is_nan in metrics:
        metrics_of[run_id].append(MetricValue(name[key_id], float("nan") if is_nan else value, time, step))
    datasets, models = _load_datasets(connection, ids), _load_models(connection, ids)
    return [
        Run(
            info,
            params_of[info.id],
            tags_of[info.id],
            metrics_of[info.id],
            datasets.get(info.id, []),
            *models.get(info.id, ([], [])),
        )
        for info in infos
    ]


def _load_datasets(connection: Connection, ids: list[int]) -> dict[int, list[DatasetInput]]:
    found: dict[int, list[DatasetInput]] = {}
    for run, name, digest, source_type, source, schema, profile, tags in connection.rows(_datasets, ids=ids):
        uses = [Tag(k, v) for k, v in _decode_tags(tags).items()]
        found.setdefault(run, []).append(
            DatasetInput(name, digest, source_type, source, schema, profile, uses)
        )
    return found


def _load_models(connection: Connection, ids: list[int]) -> dict[int, tuple[list[str], list[ModelOutput]]]:
    found: dict[int, tuple[list[str], list[ModelOutput]]] = {}
    for run_id, rows in groupby(connection.rows(_models, ids=ids), itemgetter(0)):
        inputs, outputs = found.setdefault(run_id, ([], []))
        for _, model, direction, step in rows:
            if direction:
                outputs.append(ModelOutput(model, step))
            else:
                inputs.append(model)
    return found


# run, uuid, experiment, name, user, start time
NewRow = tuple[int, str, int, str, str, int]


def reserve_ids(tx: Transaction, count: int) -> list[int]:
    """Surrogate ids for `count` new runs; those that stay unused are lost on PostgreSQL."""
    if tx.dialect.name == "postgresql":
        return [row[0] for row in tx.rows(_next_ids, count=count)]
    last: int = tx.value(_last_id) or 0
    return list(range(last + 1, last + 1 + count))


def insert(tx: Transaction, rows: Sequence[NewRow]) -> None:
    """New active runs with status RUNNING."""
    tx.execute_many(
        _insert,
        [
            dict(zip(("id", "uuid", "experiment_id", "name", "user_id", "start_time"), row, strict=True))
            for row in rows
        ],
    )


def set_artifact_uris(tx: Transaction, uris: Mapping[int, str]) -> None:
    """Artifact addresses by run, for those that aren't their experiment's followed by the run."""
    tx.execute_many(_set_artifact_uri, [{"rid": run, "artifact_uri_": uri} for run, uri in uris.items()])


def save(tx: Transaction, run_id: int, *, status: int, end_time: int | None, name: str) -> None:
    """Change a run's status, end and name."""
    tx.execute(_save, rid=run_id, status_=status, end_time_=end_time, name_=name)


def set_name(tx: Transaction, run_id: int, name: str) -> None:
    """Change a run's name."""
    tx.execute(_set_name, rid=run_id, name_=name)


def set_lifecycle(tx: Transaction, run_id: int, lifecycle: Lifecycle, now: int) -> None:
    """Move a run to the trash or back."""
    deleted = None if lifecycle is Lifecycle.ACTIVE else now
    tx.execute(_set_lifecycle, rid=run_id, lifecycle_=int(lifecycle), deleted_time_=deleted)
