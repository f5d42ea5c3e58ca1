"""Finding logged models: what they can be searched by, and one page of one experiment's.

A metric of a model means any of its points in a filter, and the latest of them in an order, both counted
only on the datasets that the search names.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, or_, select
from sqlalchemy.sql.functions import coalesce

from runyard.server.db import Connection, Query, Row, in_list
from runyard.server.db.search_sql import Attribute, Compiler, Keyed, Number, Target, Where
from runyard.server.db.sorting import SortKey, after
from runyard.server.kernel import search
from runyard.server.kernel.search import (
    And,
    Comparison,
    Condition,
    Entity,
    Field,
    Kind,
    Node,
    Not,
    Operator,
    Schema,
    Value,
)
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import DatasetKey, Lifecycle, ModelStatus

_m, _mm = t.logged_model.c, t.logged_model_metric

# Below so many matches of one condition, sorting them beats walking the experiment's models.
FEW = 20_000

MODELS = Schema(
    noun="logged models",
    named={
        Entity.ATTRIBUTE: (
            search.Attribute("model_id", Kind.STRING),
            search.Attribute("name", Kind.STRING),
            search.Attribute("model_type", Kind.STRING),
            search.Attribute("status", Kind.ID),
            search.Attribute("source_run_id", Kind.STRING),
            search.Attribute("experiment_id", Kind.ID),
            search.Attribute("artifact_location", Kind.STRING, ("artifact_uri",)),
            search.Attribute(
                "creation_timestamp", Kind.TIMESTAMP, ("creation_time", "creation_timestamp_ms")
            ),
            search.Attribute("last_updated_timestamp", Kind.TIMESTAMP, ("last_updated_timestamp_ms",)),
        )
    },
    keyed={Entity.METRIC: Kind.NUMBER, Entity.PARAM: Kind.STRING, Entity.TAG: Kind.STRING},
    sortable=frozenset({Entity.ATTRIBUTE, Entity.METRIC}),
    bare_values=True,
)

_STATUSES: dict[str, int] = {
    name: int(status)
    for status in ModelStatus
    for name in (status.name, f"LOGGED_MODEL_{status.name}", str(int(status)))
} | {"LOGGED_MODEL_UPLOAD_FAILED": int(ModelStatus.FAILED)}


def _status(value: Value) -> int | None:
    return _STATUSES.get(str(value))


def _experiment(value: Value) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


_ATTRIBUTES = {
    "model_id": Attribute(_m.uuid),
    "name": Attribute(_m.name),
    "model_type": Attribute(_m.model_type),
    "status": Attribute(_m.status, to_sql=_status),
    "source_run_id": Attribute(_m.source_run),
    "experiment_id": Attribute(_m.experiment_id, to_sql=_experiment),
    "artifact_location": Attribute(_m.artifact_location),
    "creation_timestamp": Attribute(_m.creation_time),
    "last_updated_timestamp": Attribute(_m.last_update_time),
}
# Attributes that an index finds.
_INDEXED = frozenset(("model_id", "name", "source_run_id"))
_KEYED = {
    Entity.PARAM: Keyed(
        t.logged_model_param,
        t.logged_model_param.c.model_id,
        t.logged_model_param.c.key_id,
        t.logged_model_param.c.value,
        prefix=t.PREFIX,
    ),
    Entity.TAG: Keyed(
        t.logged_model_tag,
        t.logged_model_tag.c.model_id,
        t.logged_model_tag.c.key_id,
        t.logged_model_tag.c.value,
        prefix=t.PREFIX,
    ),
}


_with_models = Query(
    select(t.experiment.c.id).where(
        in_list(t.experiment.c.id, "ids"),
        exists().where(_m.experiment_id == t.experiment.c.id, _m.lifecycle == int(Lifecycle.ACTIVE)),
    )
)


@dataclass(frozen=True, slots=True)
class ModelTerm:
    """Order by this field; `dataset` says on which dataset a metric counts, empty for on any or none."""

    field: Field
    ascending: bool
    dataset: DatasetKey


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """A search, checked.

    Attributes:
        experiments: where to look.
        tree: the filter; None for all.
        datasets: where metrics count in the filter; empty for everywhere. Without a condition on a
            metric, the models that have any metric there.
        order: the terms; models that compare equal come newest first.
    """

    experiments: tuple[int, ...]
    tree: Node | None
    datasets: tuple[DatasetKey, ...]
    order: tuple[ModelTerm, ...]

    @property
    def terms(self) -> tuple[Node, ...]:
        """The filter's top-level conjunction."""
        if self.tree is None:
            return ()
        return self.tree.terms if isinstance(self.tree, And) else (self.tree,)


def keys_of(query: ModelQuery) -> set[str]:
    """The keys of metrics, params and tags that a search names."""
    fields = [term.field for term in query.order] + [c.field for c in _conditions(query)]
    return {field.key for field in fields if field.entity is not Entity.ATTRIBUTE}


def check_position(query: ModelQuery, position: Sequence[Any]) -> bool:
    """Whether a position that a client sent can be one of this search."""
    keys = _sort_keys(query.order, {})
    return len(position) == len(keys) and all(
        type(value) in ((float, type(None)) if key.ranked else (key.expression.type.python_type,))
        and (type(value) is not int or -(2**63) <= value < 2**63)
        for key, value in zip(keys, position, strict=True)
    )


def find(
    connection: Connection,
    query: ModelQuery,
    key_ids: Mapping[str, int],
    position: Sequence[Any] | None,
    limit: int,
) -> list[Row]:
    """The next rows after `position`: the values of the sort keys, the last of which is the model's id."""
    plan = _Plan(connection.dialect.name, query, key_ids)
    experiments = connection.rows(_with_models, ids=list(set(query.experiments)))
    pages = [_page(connection, plan, row[0], position, limit) for row in experiments]
    if len(pages) == 1:
        return pages[0]
    merged = heapq.merge(*pages, key=cmp_to_key(plan.compare))
    return list(islice(merged, limit))


class _Plan:
    """A search, compiled for one snapshot's keys."""

    def __init__(self, dialect: str, query: ModelQuery, key_ids: Mapping[str, int]) -> None:
        measured = _points_on(query.datasets)
        metrics = Keyed(
            measured, measured.c.model_id, measured.c.key_id, Number(measured.c.value, measured.c.is_nan)
        )
        target = Target(owner=_m.id, attributes=_ATTRIBUTES, keyed={**_KEYED, Entity.METRIC: metrics})
        self.compiler = Compiler(target, dialect, key_ids)
        self.terms = query.terms
        self.keys = _sort_keys(query.order, key_ids)
        self.always: list[Where] = [_m.lifecycle == int(Lifecycle.ACTIVE)]
        if query.datasets and not any(c.field.entity is Entity.METRIC for c in _conditions(query)):
            self.always.append(exists().select_from(measured).where(measured.c.model_id == _m.id))

    def compare(self, a: Row, b: Row) -> int:
        """Which of two rows comes first: below 0 for `a`."""
        for left, right, key in zip(a, b, self.keys, strict=True):
            if left != right and left is not None and right is not None:
                return -1 if (left < right) == key.ascending else 1
        return 0


def _page(
    connection: Connection, plan: _Plan, experiment: int, position: Sequence[Any] | None, limit: int
) -> list[Row]:
    start = _narrowest(connection, plan, experiment)
    statement = select(*(key.expression.label(f"k{i}") for i, key in enumerate(plan.keys))).where(
        _m.experiment_id == experiment, *plan.always, *map(plan.compiler.compile, plan.terms)
    )
    if start is not None:
        statement = statement.where(_m.id.in_(start))
    # Sort keys may be subqueries: named here, they are computed once a row.
    rows = statement.subquery("found")
    keys = [SortKey(rows.c[i], key.ascending, key.ranked) for i, key in enumerate(plan.keys)]
    page = select(*rows.c)
    if position is not None:
        page = page.where(after(keys, position))
    return connection.rows(page.order_by(*(key.ordering for key in keys)).limit(limit))


def _narrowest(connection: Connection, plan: _Plan, experiment: int) -> Any:
    """The ids that the condition with the fewest matches gives; None when all give many."""
    best: tuple[int, Any] | None = None
    for term in plan.terms:
        ids = _matching(plan, experiment, term)
        if ids is None:
            continue
        few: int = connection.value(select(func.count()).select_from(ids.limit(FEW).subquery()))
        if few < FEW and (best is None or few < best[0]):
            best = (few, ids)
    return None if best is None else best[1]


def _matching(plan: _Plan, experiment: int, term: Node) -> Any:
    """The ids of the models that meet a condition, where an index finds them."""
    if (
        isinstance(term, Comparison)
        and term.operator is Operator.EQ
        and term.field.entity is Entity.ATTRIBUTE
        and term.field.key in _INDEXED
    ):
        other = t.logged_model.alias("other")
        column = _ATTRIBUTES[term.field.key].column
        return select(other.c.id).where(other.c[column.name] == term.value)
    found = plan.compiler.seek(term)
    if found is None:
        return None
    keyed, where = found
    return select(keyed.owner).where(keyed.table.c.experiment_id == experiment, where)


def _sort_keys(order: Sequence[ModelTerm], key_ids: Mapping[str, int]) -> list[SortKey]:
    keys: list[SortKey] = []
    by_time: bool | None = None
    for term in order:
        if term.field.entity is Entity.METRIC:
            rank, value = _latest(term, key_ids.get(term.field.key, -1))
            keys += [SortKey(rank), SortKey(value, term.ascending, ranked=True)]
            continue
        keys.append(SortKey(_column(term), term.ascending))
        if term.field.key == "creation_timestamp":
            by_time = term.ascending
    if by_time is None:
        keys.append(SortKey(_m.creation_time, ascending=False))
    # In the direction of the time: so one index serves both.
    return [*keys, SortKey(_m.id, ascending=bool(by_time))]


def _latest(term: ModelTerm, key_id: int) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The rank and the value of a metric's latest point: by time, then step, as MLflow takes it."""
    c = _mm.alias("latest").c
    chosen = (
        select(c.value)
        .where(c.model_id == _m.id, c.key_id == key_id, *_on(c, term.dataset))
        .order_by(
            c.timestamp.desc(),
            c.step.desc(),
            c.run_id.desc(),
            c.dataset_name.desc(),
            c.dataset_digest.desc(),
        )
        .limit(1)
    )
    rank = coalesce(chosen.with_only_columns(c.is_nan).scalar_subquery(), 2)
    value = chosen.with_only_columns(case((c.is_nan == 0, c.value), else_=None)).scalar_subquery()
    return rank, value


def _points_on(datasets: Sequence[DatasetKey]) -> FromClause:
    if not datasets:
        return _mm
    return select(_mm).where(or_(*(and_(*_on(_mm.c, dataset)) for dataset in datasets))).subquery("measured")


def _on(c: Any, dataset: DatasetKey) -> list[Where]:
    found: list[Where] = []
    if dataset.name:
        found.append(c.dataset_name == dataset.name)
    if dataset.digest:
        found.append(c.dataset_digest == dataset.digest)
    return found


def _column(term: ModelTerm) -> ColumnElement[Any]:
    return _ATTRIBUTES[term.field.key].column


def _conditions(query: ModelQuery) -> list[Condition]:
    found: list[Condition] = []
    stack = list(query.terms)
    while stack:
        node = stack.pop()
        if isinstance(node, Condition):
            found.append(node)
        elif isinstance(node, Not):
            stack.append(node.term)
        else:
            stack.extend(node.terms)
    return found
