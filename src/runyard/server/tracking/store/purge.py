"""SQL of destroying what is marked, a number of rows at a time.

Every function may be called again after it was stopped anywhere: what is gone is passed over. The row of a
run, model or experiment goes last: until then it says that there is something to go on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Table,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import NullType

from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list, nested
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import Lifecycle, Noun

_PURGED = int(Lifecycle.PURGED)
_e, _r, _m = t.experiment.c, t.run.c, t.logged_model.c
_d, _rd, _mm = t.dataset.c, t.run_dataset.c, t.logged_model_metric.c


class Marked(NamedTuple):
    """A run or model to destroy."""

    key: int
    id: str
    workspace_id: int
    experiment_id: int
    # Where its experiment keeps the artifacts.
    location: str
    # When it was marked, or its experiment.
    since: int


class MarkedExperiment(NamedTuple):
    """An experiment to destroy."""

    key: int
    workspace_id: int
    location: str
    since: int


def _marked(table: Table) -> Query:
    """Marked things: those of a marked experiment, whatever they say themselves, and others."""
    c = table.c
    columns = (c.id, c.uuid, _e.workspace_id, _e.id, _e.artifact_location)
    joined = nested(t.experiment, table, c.experiment_id == _e.id)
    behind = c.id > bindparam("key")
    alone = select(*columns, c.deleted_time).select_from(joined)
    alone = alone.where(_e.lifecycle < _PURGED, c.lifecycle == _PURGED, c.deleted_time.is_not(None), behind)
    alone = alone.with_hint(table, f"INDEXED BY ix_{table.name}_trash", "sqlite")
    along = select(*columns, _e.last_update_time).select_from(joined)
    along = along.where(_e.lifecycle == _PURGED, behind)
    both = alone.union_all(along).subquery()
    return Query(select(*both.c).order_by(both.c[0]).limit(bindparam("limit")))


_marked_of: dict[Noun, Query] = {"run": _marked(t.run), "model": _marked(t.logged_model)}
_marked_experiments = Query(
    select(_e.id, _e.workspace_id, _e.artifact_location, _e.last_update_time)
    .where(_e.lifecycle == _PURGED)
    .order_by(_e.id)
)


def _some(table: Table, owner: str) -> Query:
    """Delete up to `limit` rows of some owners."""

    def build(dialect: Dialect) -> Executable:
        if dialect.name == "postgresql":
            # Owner by owner, along the index: else it might look through the whole table for so few rows.
            place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
            ids = func.unnest(cast(bindparam("owners", type_=NullType()), ARRAY(BigInteger)))
            one = ids.table_valued("id", name="owner").render_derived()
            each = select(place.label("place")).where(table.c[owner] == one.c.id).limit(bindparam("limit"))
            rows = each.lateral("each")
            found = select(rows.c.place).select_from(one.join(rows, true())).limit(bindparam("limit"))
            return delete(table).where(place == any_(func.array(found.scalar_subquery())))
        keys = list(table.primary_key.columns)
        chosen = select(*keys).where(in_list(table.c[owner], "owners")).limit(bindparam("limit"))
        return delete(table).where((tuple_(*keys) if len(keys) > 1 else keys[0]).in_(chosen))

    return Query(build)


OF_RUNS = tuple(
    _some(table, "run_id") for table in (t.run_param, t.run_tag, t.run_metric, t.deleted_artifact)
)
OF_MODELS = tuple(
    _some(table, "model_id")
    for table in (t.logged_model_param, t.logged_model_tag, t.logged_model_metric, t.deleted_artifact)
)
_run_datasets, _run_models = _some(t.run_dataset, "run_id"), _some(t.run_model, "run_id")
_datasets_of_experiment = _some(t.dataset, "experiment_id")
_experiment_tags = _some(t.experiment_tag, "experiment_id")

_used_elsewhere = exists().where(_rd.dataset_id == _d.id, ~in_list(_rd.run_id, "runs"))
_unused = Query(
    select(_d.id)
    .where(
        _d.id.in_(select(_rd.dataset_id).where(in_list(_rd.run_id, "runs"))),
        ~_used_elsewhere,
    )
    .order_by(_d.id)
    .limit(bindparam("limit"))
    .with_for_update()
)
_delete_unused = Query(delete(t.dataset).where(in_list(_d.id, "ids"), ~_used_elsewhere))

_measured = Query(
    select(*t.logged_model_metric.primary_key.columns)
    .where(in_list(_mm.run_id, "runs"))
    .limit(bindparam("limit"))
)
_delete_measured = Query(
    delete(t.logged_model_metric).where(
        and_(*(c == bindparam(f"{c.name}_") for c in t.logged_model_metric.primary_key.columns))
    )
)


def _is_marked(table: Table) -> Any:
    home = exists().where(_e.id == table.c.experiment_id, _e.lifecycle == _PURGED)
    return or_(table.c.lifecycle == _PURGED, home)


_run_rows = Query(delete(t.run).where(in_list(_r.id, "ids"), _is_marked(t.run)).returning(_r.id))
_model_rows = Query(delete(t.logged_model).where(in_list(_m.id, "ids"), _is_marked(t.logged_model)))
_experiment_rows = Query(
    delete(t.experiment).where(
        in_list(_e.id, "ids"),
        _e.lifecycle == _PURGED,
        ~exists().where(_r.experiment_id == _e.id),
        ~exists().where(_m.experiment_id == _e.id),
    )
)
_empty = Query(
    update(t.experiment)
    .where(in_list(_e.id, "ids"), _e.lifecycle == _PURGED)
    .values(lifecycle=int(Lifecycle.DELETED), last_update_time=bindparam("now"))
)
_filled = Query(
    select(_e.id).where(
        in_list(_e.id, "ids"),
        or_(exists().where(_r.experiment_id == _e.id), exists().where(_m.experiment_id == _e.id)),
    )
)


def marked(connection: Connection, noun: Noun, after: int, limit: int) -> list[Marked]:
    """The next marked runs or models by their keys."""
    return [Marked(*row) for row in connection.rows(_marked_of[noun], key=after, limit=limit)]


def marked_experiments(connection: Connection) -> list[MarkedExperiment]:
    """All marked experiments."""
    return [MarkedExperiment(*row) for row in connection.rows(_marked_experiments)]


def filled(connection: Connection, experiments: Sequence[int]) -> set[int]:
    """Those of the experiments that still have runs or models, of whatever kind."""
    return {row[0] for row in connection.rows(_filled, ids=list(experiments))}


def delete_some(tx: Transaction, queries: Sequence[Query], owners: Sequence[int], rows: int) -> bool:
    """Delete up to so many rows that belong to some owners; whether all of them are gone."""
    for query in queries:
        rows -= tx.execute(query, owners=list(owners), limit=rows)
        if rows <= 0:
            return False
    return True


def delete_datasets(tx: Transaction, runs: Sequence[int], limit: int) -> bool:
    """Delete datasets that none but these runs read, up to a number; whether all of them are gone.

    They are locked before the other uses are looked for, and whoever notes a use locks them too
    (`datasets.link`).
    """
    ids = [row[0] for row in tx.rows(_unused, runs=list(runs), limit=limit)]
    if ids:
        tx.execute(_delete_unused, ids=ids, runs=list(runs))
    return len(ids) < limit


def delete_links(tx: Transaction, runs: Sequence[int], rows: int) -> bool:
    """Delete what says which datasets and models runs read and put out, as `delete_some`."""
    return delete_some(tx, (_run_datasets, _run_models), runs, rows)


def measured_by(connection: Connection, runs: Sequence[int], limit: int) -> list[Row]:
    """Keys of points by which runs measure models. It looks at every such point, so ask for many runs."""
    return connection.rows(_measured, runs=list(runs), limit=limit)


def delete_measured(tx: Transaction, keys: Sequence[Row]) -> None:
    """Delete points by which runs measure models."""
    names = [f"{c.name}_" for c in t.logged_model_metric.primary_key.columns]
    tx.execute_many(_delete_measured, [dict(zip(names, key, strict=True)) for key in keys])


def delete_rest_of_experiments(tx: Transaction, experiments: Sequence[int], rows: int) -> bool:
    """Delete the datasets and tags of experiments, as `delete_some`."""
    return delete_some(tx, (_datasets_of_experiment, _experiment_tags), experiments, rows)


def delete_runs(tx: Transaction, runs: Sequence[int]) -> set[int]:
    """Delete the rows of runs, but of those that aren't marked; returns whose it deleted."""
    return {row[0] for row in tx.returning(_run_rows, ids=list(runs))}


def delete_models(tx: Transaction, models: Sequence[int]) -> None:
    """Delete the rows of models; those that aren't marked stay."""
    tx.execute(_model_rows, ids=list(models))


def put_back(tx: Transaction, experiment: int, now: int) -> None:
    """Let an experiment that was emptied lie in the trash again."""
    tx.execute(_empty, ids=[experiment], now=now)


def delete_experiment(tx: Transaction, experiment: int) -> bool:
    """Delete the row of an experiment, unless it isn't marked, or holds anything; whether it did."""
    return tx.execute(_experiment_rows, ids=[experiment]) > 0
