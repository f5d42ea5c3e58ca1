"""SQL of the metric summaries: one row per series, merged by the database itself.

The merge follows `metrics.summary.merge`: first, last, min and max are idempotent; counts and sums take
only points that come after the stored last one, any others mark the row stale.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list
from runyard.server.metrics.types import SeriesId, Summary, key_of, scope_of, series_id
from runyard.server.tracking.tables import run_metric as m

_COLUMNS = (
    "run_id",
    "key_id",
    "experiment_id",
    "last_nan",
    "last_value",
    "last_step",
    "last_time",
    "first_nan",
    "first_value",
    "first_step",
    "first_time",
    "min_value",
    "min_step",
    "max_value",
    "max_step",
    "count",
    "nan_count",
    "sum",
)


def _upsert(d: Dialect) -> Any:
    insert = d.insert(m).values({name: bindparam(name) for name in _COLUMNS} | {"stale": literal_column("0")})
    new, old = insert.excluded, m.c

    def place(row: Any, end: str) -> Any:
        return tuple_(row[f"{end}_step"], row[f"{end}_time"], row[f"{end}_value"], row[f"{end}_nan"])

    def pick(condition: ColumnElement[bool], *names: str) -> dict[str, Any]:
        return {name: case((condition, new[name]), else_=old[name]) for name in names}

    later = place(new, "last") > place(old, "last")
    earlier = place(new, "first") < place(old, "first")
    after = place(new, "first") > place(old, "last")
    lower = and_(
        new.min_value.is_not(None),
        or_(
            old.min_value.is_(None), tuple_(new.min_value, new.min_step) < tuple_(old.min_value, old.min_step)
        ),
    )
    higher = and_(
        new.max_value.is_not(None),
        or_(
            old.max_value.is_(None),
            new.max_value > old.max_value,
            and_(new.max_value == old.max_value, new.max_step < old.max_step),
        ),
    )
    return insert.on_conflict_do_update(
        index_elements=[m.c.run_id, m.c.key_id],
        set_={
            **pick(later, "last_nan", "last_value", "last_step", "last_time"),
            **pick(earlier, "first_nan", "first_value", "first_step", "first_time"),
            **pick(lower, "min_value", "min_step"),
            **pick(higher, "max_value", "max_step"),
            "count": case((after, old["count"] + new["count"]), else_=old["count"]),
            "nan_count": case((after, old.nan_count + new.nan_count), else_=old.nan_count),
            "sum": case((after, _added(d, old["sum"], new["sum"])), else_=old["sum"]),
            "stale": case((after, old.stale), else_=literal_column("1", Integer)),
        },
    )


def _added(d: Dialect, one: Any, other: Any) -> Any:
    """The sum of two sums: infinite beyond the largest number, NULL where it is NaN, as SQLite does it.

    PostgreSQL refuses the one and keeps the other. The sign is looked at before the difference is made,
    which would be out of range itself for numbers of different signs.
    """
    plain = one + other
    if d.name != "postgresql":
        return plain

    def bounded(beyond: ColumnElement[bool], infinity: str) -> ColumnElement[Any]:
        return case((beyond, literal_column(f"'{infinity}'::float8")), else_=plain)

    return case(
        (and_(one > _ZERO, other > _ZERO), bounded(one > _LARGEST - other, "Infinity")),
        (and_(one < _ZERO, other < _ZERO), bounded(one < -_LARGEST - other, "-Infinity")),
        else_=func.nullif(plain, literal_column("'NaN'::float8")),
    )


_ZERO = literal_column("0", Double)
_LARGEST = literal_column(f"{sys.float_info.max!r}::float8", Double)
_merge = Query(_upsert)
_stale = Query(
    select(m.c.key_id).where(m.c.run_id == bindparam("run_id"), m.c.stale == 1).order_by(m.c.key_id)
)
_lock = Query(
    lambda d: _for_update(
        d, select(m.c.key_id).where(m.c.run_id == bindparam("run_id"), m.c.key_id == bindparam("key_id"))
    )
)
_replace = Query(
    update(m)
    .where(m.c.run_id == bindparam("rid"), m.c.key_id == bindparam("kid"))
    .values({name: bindparam(f"{name}_") for name in _COLUMNS[3:]} | {"stale": bindparam("stale_")})
)


_first_times = Query(
    select(m.c.run_id, m.c.key_id, m.c.first_time).where(
        in_list(m.c.run_id, "runs"), in_list(m.c.key_id, "keys")
    )
)


def _for_update(d: Dialect, statement: Any) -> Any:
    return statement.with_for_update() if d.name == "postgresql" else statement


def first_times(connection: Connection, series: Sequence[SeriesId]) -> dict[SeriesId, int]:
    """When the first point (by step) was, of those series that have points."""
    rows = connection.rows(
        _first_times,
        runs=sorted({scope_of(one) for one in series}),
        keys=sorted({key_of(one) for one in series}),
    )
    found = {series_id(row[0], row[1]): row[2] for row in rows}
    return {one: found[one] for one in series if one in found}


def merge_row(experiment_id: int, series: SeriesId, s: Summary) -> Row:
    """A summary as a row for `merge`."""
    return (scope_of(series), key_of(series), experiment_id, *_values(s))


def merge(tx: Transaction, rows: Sequence[Row]) -> None:
    """Merge summaries into the stored ones: rows of `merge_row`, in the order of series."""
    tx.execute_rows(_merge, rows)


def _values(s: Summary) -> Row:
    last, first = s.last_value, s.first_value
    last_nan, first_nan = last != last, first != first  # noqa: PLR0124 - NaN's test
    return (
        int(last_nan),
        0.0 if last_nan else last,
        s.last_step,
        s.last_timestamp,
        int(first_nan),
        0.0 if first_nan else first,
        s.first_step,
        s.first_timestamp,
        s.min,
        s.min_step,
        s.max,
        s.max_step,
        s.n,
        s.nan_count,
        None if s.sum != s.sum else s.sum,
    )


class SummaryRows:
    """The summaries as the compactor repairs them (`metrics.types.SummaryKeeper`)."""

    def stale(self, connection: Connection, scope: int) -> list[SeriesId]:
        """The series of a run whose counts aren't exact, in ascending order."""
        return [series_id(scope, row[0]) for row in connection.rows(_stale, run_id=scope)]

    def lock(self, tx: Transaction, series: Sequence[SeriesId]) -> None:
        """Hold the rows of these series until the transaction ends."""
        if tx.dialect.name == "postgresql":
            for one in series:
                tx.row(_lock, run_id=scope_of(one), key_id=key_of(one))

    def store(self, tx: Transaction, summaries: Sequence[tuple[SeriesId, Summary, bool]]) -> None:
        """Replace the rows of these series; those whose run is gone are passed over."""
        names = [f"{name}_" for name in _COLUMNS[3:]]
        tx.execute_many(
            _replace,
            [
                dict(zip(names, _values(s), strict=True))
                | {"rid": scope_of(series), "kid": key_of(series), "stale_": int(stale)}
                for series, s, stale in summaries
            ],
        )
