"""Quotas of workspaces, and what counts for them.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _change_workspace()
    op.create_table(
        "usage",
        sa.Column("scope", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "id", name=op.f("pk_usage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_points",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_points")),
        sqlite_with_rowid=False,
    )
    _count()


def _change_workspace() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.add_column("workspace", sa.Column("quotas", PLAIN_TEXT, nullable=True))
        # The default workspace brought its id 1 along, which the sequence would give again.
        op.execute("ALTER SEQUENCE workspace_id_seq RESTART WITH 2")
        return
    # SQLite changes a table into one that gives no id twice only by making it anew.
    op.rename_table("workspace", "workspace_before")
    op.create_table(
        "workspace",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.Column("default_experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("quotas", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspace")),
        sa.UniqueConstraint("name", name=op.f("uq_workspace_name")),
        sqlite_autoincrement=True,
    )
    columns = (
        "id, name, description, state, creation_time, last_update_time, deleted_time, default_experiment_id"
    )
    op.execute(f"INSERT INTO workspace ({columns}) SELECT {columns} FROM workspace_before")
    op.drop_table("workspace_before")


def _count() -> None:
    """Count what is there. Artifacts are counted by the server, which alone reaches them."""
    op.execute(
        "INSERT INTO run_points (run_id, points) SELECT run_id, sum(count) FROM run_metric GROUP BY run_id"
    )
    op.execute(
        "INSERT INTO usage (scope, id, points, runs, size, files)"
        " SELECT 1, r.experiment_id, coalesce(sum(p.points), 0), count(*), 0, 0"
        " FROM run r LEFT JOIN run_points p ON p.run_id = r.id GROUP BY r.experiment_id"
    )
    op.execute(
        "INSERT INTO usage (scope, id, points, runs, size, files)"
        " SELECT 0, e.workspace_id, sum(u.points), sum(u.runs), 0, 0"
        " FROM usage u JOIN experiment e ON e.id = u.id WHERE u.scope = 1 GROUP BY e.workspace_id"
    )
