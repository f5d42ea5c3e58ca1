"""SQL of what is logged to runs: params, tags and the summaries of metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, bindparam, cast, delete, func, select
from sqlalchemy.types import NullType

from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list
from runyard.server.tracking import tables as t

_p, _t = t.run_param, t.run_tag

_params_of = Query(
    select(_p.c.key_id, _p.c.value).where(_p.c.run_id == bindparam("run_id"), in_list(_p.c.key_id, "keys"))
)
_insert_param = Query(
    lambda d: d.insert(_p).values(
        run_id=bindparam("run_id"),
        key_id=bindparam("key_id"),
        experiment_id=bindparam("experiment_id"),
        value=bindparam("value"),
    )
)


def _upsert_tag(d: Dialect) -> Any:
    insert = d.insert(_t).values(
        run_id=bindparam("run_id"),
        key_id=bindparam("key_id"),
        experiment_id=bindparam("experiment_id"),
        value=bindparam("value"),
    )
    return insert.on_conflict_do_update(
        index_elements=[_t.c.run_id, _t.c.key_id], set_={"value": insert.excluded.value}
    )


_set_tag = Query(_upsert_tag)
_tag_of = Query(
    select(_t.c.value).where(_t.c.run_id == bindparam("run_id"), _t.c.key_id == bindparam("key_id"))
)
_keys_of_tags = Query(
    select(_t.c.key_id).where(_t.c.run_id == bindparam("run_id"), in_list(_t.c.key_id, "keys"))
)
_count_params, _count_tags = (
    Query(select(c.run_id, func.count()).where(in_list(c.run_id, "runs")).group_by(c.run_id))
    for c in (_p.c, _t.c)
)
_lock = Query(
    select(
        func.pg_advisory_xact_lock(func.unnest(cast(bindparam("locks", type_=NullType()), ARRAY(BigInteger))))
    )
)
# Of the locks that PostgreSQL knows by number, those of runs.
_LOCKS = 0x72756E << 32
_delete_tag = Query(delete(_t).where(_t.c.run_id == bindparam("rid"), _t.c.key_id == bindparam("kid")))


def params_of(connection: Connection, run_id: int, keys: Sequence[int]) -> dict[int, str]:
    """Those of a run's params that have one of `keys`."""
    return dict(connection.rows(_params_of, run_id=run_id, keys=list(keys)))


def insert_params(tx: Transaction, rows: Sequence[Row]) -> None:
    """New params: rows of (run, key, experiment, value); none may exist."""
    tx.execute_rows(_insert_param, rows)


def set_tags(tx: Transaction, rows: Sequence[Row]) -> None:
    """Tags: rows of (run, key, experiment, value); the last of a key wins."""
    tx.execute_rows(_set_tag, rows)


def delete_tag(tx: Transaction, run_id: int, key_id: int) -> bool:
    """Delete a tag; False when there is none."""
    return tx.execute(_delete_tag, rid=run_id, kid=key_id) > 0


def tag_of(connection: Connection, run_id: int, key_id: int) -> str | None:
    """A tag's value, or None."""
    found: str | None = connection.value(_tag_of, run_id=run_id, key_id=key_id)
    return found


def keys_of_tags(connection: Connection, run_id: int, keys: Collection[int]) -> set[int]:
    """Those of the keys that a run has a tag of."""
    return {row[0] for row in connection.rows(_keys_of_tags, run_id=run_id, keys=list(keys))}


def count_params(connection: Connection, runs: Collection[int]) -> dict[int, int]:
    """How many params each of these runs has that has any."""
    return dict(connection.rows(_count_params, runs=list(runs))) if runs else {}


def count_tags(connection: Connection, runs: Collection[int]) -> dict[int, int]:
    """How many tags each of these runs has that has any."""
    return dict(connection.rows(_count_tags, runs=list(runs))) if runs else {}


def lock_runs(tx: Transaction, runs: Collection[int]) -> None:
    """Keep other processes from adding params and tags to these runs until the transaction ends.

    On SQLite there is one process that writes.
    """
    if runs and tx.dialect.name == "postgresql":
        tx.rows(_lock, locks=[_LOCKS | run for run in sorted(runs)])
