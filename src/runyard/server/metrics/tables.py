"""The engine's tables: a log of batches, a pack per scope, chunks per series.

A point lives in exactly one of them. Appends add rows to the log; the compactor folds them into the
scope's pack, and what outgrows the pack into chunks.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from runyard.server.db import BigId, metadata

# Append-only. One row holds what one request (or several of a group) brought for a scope.
metric_batch = Table(
    "metric_batch",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("scope", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    # Covers the compactor's question how much waits in which scope.
    Index(None, "scope", "n"),
)

# The points of a scope's short series and of the young ends of its long ones. `version` counts the
# folds of the scope: whoever writes a pack or a chunk checks it first and raises it.
metric_pack = Table(
    "metric_pack",
    metadata,
    Column("scope", BigId, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# Runs of a series' history that don't overlap each other in (timestamp, step, rank). The sketch comes
# before the points: a chart reads the one and skips the other.
metric_chunk = Table(
    "metric_chunk",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("series", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("first_timestamp", BigInteger, nullable=False),
    Column("first_step", BigInteger, nullable=False),
    Column("first_rank", BigInteger, nullable=False),
    Column("last_timestamp", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("last_rank", BigInteger, nullable=False),
    Column("min_step", BigInteger, nullable=False),
    Column("max_step", BigInteger, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    Column("points", LargeBinary, nullable=False),
    Index(None, "series", "first_timestamp", "first_step", "first_rank", unique=True),
)
