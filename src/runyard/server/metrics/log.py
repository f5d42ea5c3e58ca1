"""The table of the batch log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select

from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.metrics.batchlog import encode_group
from runyard.server.metrics.tables import metric_batch
from runyard.server.metrics.types import PointBatch


class Waiting(NamedTuple):
    """A row of the log without its content."""

    id: int
    n: int


class Backlog(NamedTuple):
    """What waits in the log for one scope."""

    scope: int
    rows: int
    points: int


_APPEND = Query(
    insert(metric_batch).values(scope=bindparam("scope"), n=bindparam("n"), data=bindparam("data"))
)
_BACKLOG = Query(
    select(metric_batch.c.scope, func.count(), func.sum(metric_batch.c.n)).group_by(metric_batch.c.scope)
)
_WAITING = Query(
    select(metric_batch.c.id, metric_batch.c.n)
    .where(metric_batch.c.scope == bindparam("scope"))
    .order_by(metric_batch.c.id)
)
_OF_SCOPES = Query(
    select(metric_batch.c.scope, metric_batch.c.data)
    .where(in_list(metric_batch.c.scope, "scopes"))
    .order_by(metric_batch.c.scope, metric_batch.c.id)
)
_BLOBS = Query(
    select(metric_batch.c.data).where(in_list(metric_batch.c.id, "ids")).order_by(metric_batch.c.id)
)
_LOCK = Query(
    select(metric_batch.c.id)
    .where(metric_batch.c.scope == bindparam("scope"), in_list(metric_batch.c.id, "ids"))
    .order_by(metric_batch.c.id)
    .with_for_update()
)
_DELETE = Query(delete(metric_batch).where(in_list(metric_batch.c.id, "ids")))
_ROWS_OF_SCOPES = Query(
    select(metric_batch.c.id, metric_batch.c.n)
    .where(in_list(metric_batch.c.scope, "scopes"))
    .limit(bindparam("limit"))
)


def append(tx: Transaction, batches: Sequence[PointBatch]) -> None:
    """Add the batches of a group to the log, in one statement."""
    append_rows(tx, encode_group(batches))


def append_rows(tx: Transaction, rows: Sequence[tuple[int, int, bytes]]) -> None:
    """Add encoded rows (scope, n, data) to the log."""
    tx.execute_rows(_APPEND, rows)


def backlog(connection: Connection) -> list[Backlog]:
    """What waits in each scope that has anything in the log."""
    return [Backlog(scope, rows, int(points)) for scope, rows, points in connection.rows(_BACKLOG)]


def waiting(connection: Connection, scope: int) -> list[Waiting]:
    """The rows of a scope, in the order of their arrival."""
    return [Waiting(*row) for row in connection.rows(_WAITING, scope=scope)]


def blobs_of_scopes(connection: Connection, scopes: Collection[int]) -> dict[int, list[bytes]]:
    """The contents of all rows of some scopes; a scope without any is absent."""
    found: dict[int, list[bytes]] = {}
    for scope, data in connection.rows(_OF_SCOPES, scopes=sorted(scopes)):
        found.setdefault(scope, []).append(data)
    return found


def blobs(connection: Connection, ids: Sequence[int]) -> list[bytes]:
    """The contents of some rows, in the order of their arrival."""
    if not ids:
        return []
    return [row[0] for row in connection.rows(_BLOBS, ids=list(ids))]


def lock_rows(tx: Transaction, scope: int, ids: Sequence[int]) -> bool:
    """Keep rows from being deleted by others; whether all of them are still there."""
    return len(tx.rows(_LOCK, scope=scope, ids=list(ids))) == len(ids)


def delete_rows(tx: Transaction, ids: Sequence[int]) -> None:
    """Delete rows."""
    tx.execute(_DELETE, ids=list(ids))


def rows_of_scopes(connection: Connection, scopes: Collection[int], limit: int) -> list[Waiting]:
    """Some rows of some scopes."""
    return [Waiting(*row) for row in connection.rows(_ROWS_OF_SCOPES, scopes=sorted(scopes), limit=limit)]
