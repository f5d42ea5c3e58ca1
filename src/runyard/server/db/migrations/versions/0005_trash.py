"""The trash: an experiment's row says for all its runs that they are deleted, an index finds what is, and
no id of what was purged is given again.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DELETED = sa.text("deleted_time IS NOT NULL")


def upgrade() -> None:
    # Runs that were deleted with their experiment, and not by themselves before, come back with it.
    op.execute(
        """
        UPDATE run SET lifecycle = 0, deleted_time = NULL
        WHERE lifecycle = 1 AND EXISTS (
            SELECT 1 FROM experiment
            WHERE experiment.id = run.experiment_id AND experiment.lifecycle = 1
              AND (run.deleted_time >= experiment.last_update_time OR run.deleted_time IS NULL)
        )
        """
    )
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
    for table in ("run", "logged_model"):
        op.create_index(
            f"ix_{table}_trash",
            table,
            ["experiment_id", "lifecycle", "deleted_time", "id"],
            sqlite_where=_DELETED,
            postgresql_where=_DELETED,
        )


def _make_anew() -> None:
    """SQLite changes a table into one that gives no id twice only by making it anew."""
    _copy(
        "experiment",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artifact_location", sa.Text(), nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_experiment_workspace_id_name")),
    )
    op.create_index(
        "ix_experiment_listing", "experiment", ["workspace_id", "lifecycle", "creation_time", "id"]
    )
    _copy(
        "run",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name=op.f("uq_run_uuid")),
    )
    op.create_index(
        "ix_run_listing",
        "run",
        ["experiment_id", "lifecycle", "start_time", "id", "status", "end_time", "user_id"],
    )
    op.create_index("ix_run_name", "run", ["experiment_id", "name", "id"])


def _copy(table: str, *rest: Any) -> None:
    op.rename_table(table, f"{table}_before")
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        *rest,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sqlite_autoincrement=True,
    )
    columns = ", ".join(["id", *(column.name for column in rest if isinstance(column, sa.Column))])
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")
    op.drop_table(f"{table}_before")
