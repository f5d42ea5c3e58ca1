"""SQL of how much things take: runs and points."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from runyard.server.db import Connection, Query, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import Lifecycle

_m, _mm, _r = t.run_metric.c, t.logged_model_metric.c, t.run.c

_points_of_runs = Query(
    select(_m.run_id, func.sum(_m.count)).where(in_list(_m.run_id, "runs")).group_by(_m.run_id)
)
_points_of_models = Query(
    select(_mm.model_id, func.count()).where(in_list(_mm.model_id, "models")).group_by(_mm.model_id)
)
_runs_of = Query(
    select(func.count())
    .select_from(t.run)
    .where(_r.experiment_id == bindparam("experiment"), _r.lifecycle < int(Lifecycle.PURGED))
)
_series = (
    select(_m.count.label("n"))
    .where(_m.experiment_id == bindparam("experiment"))
    .limit(bindparam("limit"))
    .subquery()
)
_points_of_experiment = Query(select(func.count(), func.sum(_series.c.n)))


def points_of_runs(connection: Connection, runs: Sequence[int]) -> dict[int, int]:
    """The points of those runs that have any."""
    return {row[0]: int(row[1]) for row in connection.rows(_points_of_runs, runs=list(runs))}


def points_of_models(connection: Connection, models: Sequence[int]) -> dict[int, int]:
    """The points that measure those models that have any."""
    return {row[0]: row[1] for row in connection.rows(_points_of_models, models=list(models))}


def count_runs(connection: Connection, experiment: int) -> int:
    """How many runs an experiment has, deleted ones included."""
    found: int = connection.value(_runs_of, experiment=experiment)
    return found


def points_of_experiment(connection: Connection, experiment: int, most_series: int) -> int | None:
    """The points of an experiment's runs; None when it has more series than that."""
    row = connection.row(_points_of_experiment, experiment=experiment, limit=most_series + 1)
    assert row is not None  # noqa: S101 - an aggregate has a row
    return None if row[0] > most_series else int(row[1] or 0)
