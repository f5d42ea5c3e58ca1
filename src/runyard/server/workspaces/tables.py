"""Tables of workspaces and of what they hold in sum."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, SmallInteger, Table

from runyard.server.db import BigId, PlainText, metadata

workspace = Table(
    "workspace",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", PlainText, nullable=False, unique=True),
    Column("description", PlainText, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("deleted_time", BigInteger),
    # What clients mean by the experiment 0.
    Column("default_experiment_id", BigInteger, nullable=False),
    # Of its quotas those that somebody set, as JSON: {"points_per_run": 1000, "tags_per_run": null}.
    Column("quotas", PlainText),
    # In the trash the state that it comes back to; NULL is active.
    Column("restored_state", SmallInteger),
    # An id is never given twice, or a new workspace would get the old one's events.
    sqlite_autoincrement=True,
)

workspace_tag = Table(
    "workspace_tag",
    metadata,
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", PlainText, primary_key=True),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)

# What workspaces and experiments hold in sum, and runs in artifacts (their points are counted exactly, by
# whoever writes them). Written by each server process about once a second.
usage = Table(
    "usage",
    metadata,
    # `types.Scope`.
    Column("scope", SmallInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("points", BigInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
