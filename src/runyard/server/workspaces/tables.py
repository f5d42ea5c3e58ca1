"""Tables of workspaces."""

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
)

workspace_tag = Table(
    "workspace_tag",
    metadata,
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", PlainText, primary_key=True),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)
