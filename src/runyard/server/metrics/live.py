"""The points of scopes that stand in no chunk: those of the log and of the packs."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from runyard.server.db import Connection, Query, in_list
from runyard.server.metrics.batchlog import decode
from runyard.server.metrics.columns import Columns
from runyard.server.metrics.tables import metric_batch

_LOG = Query(
    select(metric_batch.c.scope, metric_batch.c.data)
    .where(in_list(metric_batch.c.scope, "scopes"))
    .order_by(metric_batch.c.scope, metric_batch.c.id)
)


def live_points(connection: Connection, scopes: Collection[int]) -> dict[int, Columns]:
    """The points of each scope that has any, in no particular order; some may be repeated."""
    blobs: dict[int, list[bytes]] = {}
    for scope, data in connection.rows(_LOG, scopes=sorted(scopes)):
        blobs.setdefault(scope, []).append(data)
    return {scope: decode(rows) for scope, rows in blobs.items()}
