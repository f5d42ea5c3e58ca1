"""SQL of how many points were logged to runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, bindparam, cast, delete, func, select, true
from sqlalchemy.types import NullType

from runyard.server.db import Connection, Dialect, Query, Transaction, in_list
from runyard.server.tracking.tables import run_points as p


def _upsert(d: Dialect) -> Any:
    """Add to many runs in one statement of fixed text: it is part of every group of log-metric."""
    if d.name == "postgresql":
        columns = [cast(bindparam(name, type_=NullType()), ARRAY(BigInteger)) for name in ("runs", "numbers")]
        row = func.unnest(*columns).table_valued("run", "number", name="row").render_derived()
        rows = select(row.c.run, row.c.number).order_by(row.c.run)
    else:
        row = func.json_each(bindparam("object", type_=NullType())).table_valued("key", "value", name="row")
        # Without a WHERE SQLite takes ON CONFLICT for a join's ON.
        rows = select(cast(row.c.key, BigInteger), row.c.value).where(true())
    insert = d.insert(p).from_select([p.c.run_id, p.c.points], rows)
    total = p.c.points + insert.excluded.points
    return insert.on_conflict_do_update(
        index_elements=[p.c.run_id], set_={"points": total}, where=total <= bindparam("limit")
    )


_add = Query(_upsert)
_of = Query(select(p.c.run_id, p.c.points).where(in_list(p.c.run_id, "runs")))
_delete = Query(delete(p).where(in_list(p.c.run_id, "runs")))


def add(tx: Transaction, numbers: Mapping[int, int], limit: int) -> bool:
    """Count points of runs, none of them more than `limit`; nobody else does until the transaction ends.

    Returns:
        Whether no run has more than `limit` now. Otherwise those that would have aren't counted.
    """
    if tx.dialect.name != "postgresql":
        return tx.execute(_add, object=msgspec.json.encode(numbers).decode(), limit=limit) == len(numbers)
    runs = sorted(numbers)
    return tx.execute(_add, runs=runs, numbers=[numbers[run] for run in runs], limit=limit) == len(runs)


def of_runs(connection: Connection, runs: Sequence[int]) -> dict[int, int]:
    """How many points were logged to each of these runs that has any."""
    return dict(connection.rows(_of, runs=list(runs)))


def remove(tx: Transaction, runs: Sequence[int]) -> int:
    """Delete the numbers of runs that go for good; returns how many points they had."""
    found = of_runs(tx, runs)
    tx.execute(_delete, runs=list(runs))
    return sum(found.values())
