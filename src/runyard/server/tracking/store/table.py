"""SQL of the runs table: some columns of some runs, and the keys that an experiment has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, case, func, select

from runyard.server.db import Connection, Query, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.columns import MEAN
from runyard.server.tracking.types import Summary

_m = t.run_metric.c


def _with_nan(value: Any, nan: Any) -> Any:
    return case((nan == 0, value))


# What a summary is in SQL; NULL stands for NaN, and for a value that there is none of.
_SUMMARIES: Mapping[Summary, Any] = {
    "last": _with_nan(_m.last_value, _m.last_nan),
    "first": _with_nan(_m.first_value, _m.first_nan),
    "min": _m.min_value,
    "max": _m.max_value,
    "mean": MEAN,
    "sum": _m.sum,
    "count": _m.count,
    "nan_count": _m.nan_count,
    "argmin": _m.min_step,
    "argmax": _m.max_step,
    "last_step": _m.last_step,
    "last_time": _m.last_time,
    "first_step": _m.first_step,
    "first_time": _m.first_time,
}


def _texts(table: Table) -> Query:
    return Query(
        select(table.c.run_id, table.c.key_id, table.c.value).where(
            in_list(table.c.run_id, "runs"), in_list(table.c.key_id, "keys")
        )
    )


_params, _tags = _texts(t.run_param), _texts(t.run_tag)
_metrics = {
    name: Query(
        select(_m.run_id, _m.key_id, expression).where(in_list(_m.run_id, "runs"), in_list(_m.key_id, "keys"))
    )
    for name, expression in _SUMMARIES.items()
}

# (run, key) -> value
Cells = dict[tuple[int, int], Any]


def metrics(connection: Connection, summary: Summary, runs: Sequence[int], keys: Sequence[int]) -> Cells:
    """One summary of some metrics of some runs."""
    return _cells(connection, _metrics[summary], runs, keys)


def params(connection: Connection, runs: Sequence[int], keys: Sequence[int]) -> Cells:
    """Some params of some runs."""
    return _cells(connection, _params, runs, keys)


def tags(connection: Connection, runs: Sequence[int], keys: Sequence[int]) -> Cells:
    """Some tags of some runs."""
    return _cells(connection, _tags, runs, keys)


def _cells(connection: Connection, query: Query, runs: Sequence[int], keys: Sequence[int]) -> Cells:
    rows = connection.rows(query, runs=list(runs), keys=list(keys))
    return {(run, key): value for run, key, value in rows}


def _distinct_keys(table: Table) -> Query:
    """The keys that occur in an experiment: one step of the index per key, however many runs there are."""
    experiment: Any = bindparam("experiment_id")
    first = select(func.min(table.c.key_id).label("id")).where(table.c.experiment_id == experiment)
    found = first.cte("found", recursive=True)
    inner = table.alias()
    following = (
        select(func.min(inner.c.key_id))
        .where(inner.c.experiment_id == experiment, inner.c.key_id > found.c.id)
        .scalar_subquery()
    )
    found = found.union_all(select(following).where(found.c.id.is_not(None)))
    return Query(select(found.c.id).where(found.c.id.is_not(None)))


_keys_of = {table.name: _distinct_keys(table) for table in (t.run_metric, t.run_param, t.run_tag)}


def keys_of(connection: Connection, experiment_id: int) -> tuple[list[int], list[int], list[int]]:
    """The keys of metrics, of params and of tags that the experiment's runs have."""
    found = [
        [row[0] for row in connection.rows(query, experiment_id=experiment_id)] for query in _keys_of.values()
    ]
    return found[0], found[1], found[2]
