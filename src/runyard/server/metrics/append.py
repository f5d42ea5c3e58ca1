"""Writing batches to the log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert

from runyard.server.db import Query, Transaction
from runyard.server.metrics.batchlog import encode_group
from runyard.server.metrics.tables import metric_batch
from runyard.server.metrics.types import PointBatch

_APPEND = Query(
    insert(metric_batch).values(scope=bindparam("scope"), n=bindparam("n"), data=bindparam("data"))
)


def append(tx: Transaction, batches: Sequence[PointBatch]) -> None:
    """Add the batches of a group to the log, in one statement."""
    tx.execute_rows(_APPEND, encode_group(batches))
