"""SQL of what workspaces hold, counted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.sql.functions import coalesce

from runyard.server.db import Connection, Query, Row, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import Lifecycle

_e, _r, _m, _p = t.experiment.c, t.run.c, t.logged_model.c, t.run_points.c
_here = _e.workspace_id == bindparam("workspace")
_PURGED = int(Lifecycle.PURGED)

_experiments = Query(select(_e.id, _e.workspace_id))
_places = Query(select(_e.id, _e.name, _e.lifecycle).where(_here, _e.lifecycle < _PURGED))
_count_experiments = Query(select(_e.lifecycle, func.count()).where(_here).group_by(_e.lifecycle))
_count_runs, _count_models, _count_runs_in, _count_models_in = (
    Query(
        select(_e.lifecycle, table.c.lifecycle, func.count())
        .select_from(t.experiment.join(table, table.c.experiment_id == _e.id))
        .where(where)
        .group_by(_e.lifecycle, table.c.lifecycle)
    )
    for where in (_here, in_list(_e.id, "experiments"))
    for table in (t.run, t.logged_model)
)
_other = Query(select(_e.id).where(_here, _e.id != bindparam("default"), _e.lifecycle < _PURGED).limit(1))
_any_run, _any_model = (
    Query(select(c.id).where(c.experiment_id == bindparam("default"), c.lifecycle < _PURGED).limit(1))
    for c in (_r, _m)
)
_every_sum = select(
    _r.experiment_id, func.count(), coalesce(func.sum(_p.points), literal_column("0"))
).select_from(t.run.outerjoin(t.run_points, _p.run_id == _r.id))
_sums = Query(_every_sum.group_by(_r.experiment_id))
_sums_in = Query(_every_sum.where(in_list(_r.experiment_id, "experiments")).group_by(_r.experiment_id))
_run_ids = Query(select(_r.uuid, _r.id).where(in_list(_r.uuid, "uuids")))
_run_homes = Query(select(_r.id, _r.experiment_id, _r.uuid).where(in_list(_r.id, "ids")))

# Numbers by lifecycle.
Numbers = dict[int, int]


def experiments(connection: Connection) -> dict[int, int]:
    """Of every experiment the workspace."""
    return dict(connection.rows(_experiments))


def places(connection: Connection, workspace: int) -> list[tuple[int, str, Lifecycle]]:
    """The ids, names and lifecycles of a workspace's experiments."""
    return [(row[0], row[1], Lifecycle(row[2])) for row in connection.rows(_places, workspace=workspace)]


def count(connection: Connection, workspace: int) -> tuple[Numbers, Numbers, Numbers]:
    """How many experiments, runs and logged models a workspace has."""
    experiments: Numbers = dict(connection.rows(_count_experiments, workspace=workspace))
    runs, models = (connection.rows(query, workspace=workspace) for query in (_count_runs, _count_models))
    return experiments, _numbers(runs), _numbers(models)


def count_in(connection: Connection, experiments: Sequence[int]) -> tuple[Numbers, Numbers]:
    """How many runs and logged models some experiments have."""
    ids = list(experiments)
    runs, models = (connection.rows(query, experiments=ids) for query in (_count_runs_in, _count_models_in))
    return _numbers(runs), _numbers(models)


def _numbers(rows: Sequence[Row]) -> Numbers:
    """Rows of (the experiment's lifecycle, the thing's own, number): the one further gone counts."""
    found: Numbers = {}
    for experiment, own, number in rows:
        lifecycle = max(experiment, own)
        found[lifecycle] = found.get(lifecycle, 0) + number
    return found


def is_empty(connection: Connection, workspace: int, default: int) -> bool:
    """Whether a workspace has no experiment but its default one, and no run and no logged model."""
    return not (
        connection.rows(_other, workspace=workspace, default=default)
        or connection.rows(_any_run, default=default)
        or connection.rows(_any_model, default=default)
    )


def sums(connection: Connection, experiments: Sequence[int] | None) -> dict[int, tuple[int, int]]:
    """Runs and points of some experiments, or of all; those without runs are absent."""
    if experiments is None:
        rows = connection.rows(_sums)
    else:
        rows = connection.rows(_sums_in, experiments=list(experiments))
    return {row[0]: (row[1], int(row[2])) for row in rows}


def run_ids(connection: Connection, uuids: Sequence[str]) -> dict[str, int]:
    """Of those of the runs that exist, the surrogate keys."""
    return dict(connection.rows(_run_ids, uuids=list(uuids)))


def run_homes(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Of those of the runs that exist, the experiment and the uuid."""
    return {row[0]: (row[1], row[2]) for row in connection.rows(_run_homes, ids=list(ids))}
