"""What runs and experiments can be searched by, and the columns behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, or_, select

from runyard.server.db.search_sql import Attribute, Keyed, Number, Target, Where
from runyard.server.kernel import search
from runyard.server.kernel.search import Entity, Kind, MetricFunction, Schema
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import Lifecycle, RunStatus

_r, _m = t.run.c, t.run_metric.c

STATUS_NAMES = {int(status): status.name for status in RunStatus}
STAGE_NAMES = {int(Lifecycle.ACTIVE): "active", int(Lifecycle.DELETED): "deleted"}
_DATASET_FIELDS = tuple(search.Attribute(name, Kind.STRING) for name in ("name", "digest", "context"))

RUNS = Schema(
    noun="runs",
    named={
        Entity.ATTRIBUTE: (
            search.Attribute("run_id", Kind.STRING, ("run_uuid", "run id")),
            search.Attribute("run_name", Kind.STRING, ("run name", "Run name", "Run Name")),
            search.Attribute("status", Kind.STRING),
            search.Attribute("user_id", Kind.STRING),
            search.Attribute("artifact_uri", Kind.STRING),
            search.Attribute("lifecycle_stage", Kind.STRING),
            search.Attribute("start_time", Kind.TIMESTAMP, ("created", "Created")),
            search.Attribute("end_time", Kind.TIMESTAMP),
        ),
        Entity.DATASET: _DATASET_FIELDS,
        Entity.INPUT: _DATASET_FIELDS,
    },
    keyed={Entity.METRIC: Kind.NUMBER, Entity.PARAM: Kind.STRING, Entity.TAG: Kind.STRING},
    functions=frozenset(MetricFunction),
)

EXPERIMENTS = Schema(
    noun="experiments",
    named={
        Entity.ATTRIBUTE: (
            search.Attribute("name", Kind.STRING),
            search.Attribute("experiment_id", Kind.ID),
            search.Attribute("creation_time", Kind.TIMESTAMP),
            search.Attribute("last_update_time", Kind.TIMESTAMP),
        )
    },
    keyed={Entity.TAG: Kind.STRING},
    sortable=frozenset({Entity.ATTRIBUTE}),
)


# As `runs.ARTIFACT_URI`, without a join: few searches need it.
_location = select(t.experiment.c.artifact_location).where(t.experiment.c.id == _r.experiment_id)
_gone = select(t.experiment.c.lifecycle).where(t.experiment.c.id == _r.experiment_id)
_ARTIFACT_URI = func.coalesce(
    _r.artifact_uri,
    _location.correlate(t.run).scalar_subquery()
    + literal_column("'/'")
    + _r.uuid
    + literal_column("'/artifacts'"),
)
# As `runs.LIFECYCLE`, likewise.
_LIFECYCLE = case(
    (_r.lifecycle == int(Lifecycle.ACTIVE), _gone.correlate(t.run).scalar_subquery()), else_=_r.lifecycle
)


def dataset_column(name: str) -> ColumnElement[Any]:
    """What a dataset's field means."""
    return t.run_dataset.c.context if name == "context" else t.dataset.c[name]


def _dataset(name: str, on_text: Callable[[ColumnElement[Any]], Where]) -> Where:
    joined = t.run_dataset.join(t.dataset, t.dataset.c.id == t.run_dataset.c.dataset_id)
    return exists().select_from(joined).where(t.run_dataset.c.run_id == _r.id, on_text(dataset_column(name)))


# Of the points that aren't NaN; NULL where there are none. PostgreSQL refuses a quotient that underflows.
MEAN: ColumnElement[Any] = case(
    (_m.count == _m.nan_count, None),
    (func.abs(_m.sum) < literal_column("1e-290"), _m.sum * literal_column("0")),
    else_=_m.sum / (_m.count - _m.nan_count),
)


RUN_TARGET = Target(
    owner=_r.id,
    attributes={
        "run_id": Attribute(_r.uuid),
        "run_name": Attribute(_r.name, indexed=True),
        "status": Attribute(_r.status, STATUS_NAMES),
        "user_id": Attribute(_r.user_id),
        "artifact_uri": Attribute(_ARTIFACT_URI),
        "lifecycle_stage": Attribute(_LIFECYCLE, STAGE_NAMES),
        "start_time": Attribute(_r.start_time),
        "end_time": Attribute(_r.end_time),
    },
    keyed={
        Entity.METRIC: Keyed(
            t.run_metric,
            _m.run_id,
            _m.key_id,
            Number(_m.last_value, _m.last_nan),
            {
                # NULL where all points are NaN, and so is the function.
                MetricFunction.MAX: Number(_m.max_value, _m.max_value.is_(None)),
                MetricFunction.MIN: Number(_m.min_value, _m.min_value.is_(None)),
                MetricFunction.FIRST: Number(_m.first_value, _m.first_nan),
                MetricFunction.LAST: Number(_m.last_value, _m.last_nan),
                MetricFunction.COUNT: Number(_m.count),
                # Over the points that aren't NaN.
                MetricFunction.MEAN: Number(MEAN, or_(_m.sum.is_(None), _m.count == _m.nan_count)),
            },
        ),
        Entity.PARAM: Keyed(
            t.run_param, t.run_param.c.run_id, t.run_param.c.key_id, t.run_param.c.value, prefix=t.PREFIX
        ),
        Entity.TAG: Keyed(
            t.run_tag, t.run_tag.c.run_id, t.run_tag.c.key_id, t.run_tag.c.value, prefix=t.PREFIX
        ),
    },
    named=_dataset,
)


def _experiment_number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


EXPERIMENT_TARGET = Target(
    owner=t.experiment.c.id,
    attributes={
        "name": Attribute(t.experiment.c.name),
        "experiment_id": Attribute(t.experiment.c.id, to_sql=_experiment_number),
        "creation_time": Attribute(t.experiment.c.creation_time),
        "last_update_time": Attribute(t.experiment.c.last_update_time),
    },
    keyed={
        Entity.TAG: Keyed(
            t.experiment_tag,
            t.experiment_tag.c.experiment_id,
            t.experiment_tag.c.key,
            t.experiment_tag.c.value,
        )
    },
)
