"""Names of experiments: taken once among the active ones, so that a deleted one's is free at once.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("lifecycle = 0")


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
    else:
        op.drop_constraint("uq_experiment_workspace_id_name", "experiment", type_="unique")
    op.create_index(
        "ix_experiment_active_name",
        "experiment",
        ["workspace_id", "name"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_index("ix_experiment_workspace_id_name", "experiment", ["workspace_id", "name", "lifecycle"])


def _make_anew() -> None:
    """SQLite drops a table's constraint only by making the table anew.

    No other table refers to it by a foreign key, a trigger or a view. Its last id is brought along: that
    may be one that was purged, and is given again no more than others.
    """
    op.rename_table("experiment", "experiment_before")
    op.create_table(
        "experiment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("artifact_location", sa.Text(), nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sqlite_autoincrement=True,
    )
    columns = "id, workspace_id, name, artifact_location, lifecycle, creation_time, last_update_time"
    op.execute(f"INSERT INTO experiment ({columns}) SELECT {columns} FROM experiment_before ORDER BY id")
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'experiment'")
    op.execute(
        "INSERT INTO sqlite_sequence (name, seq)"
        " SELECT 'experiment', seq FROM sqlite_sequence WHERE name = 'experiment_before'"
    )
    op.drop_table("experiment_before")
    op.create_index(
        "ix_experiment_listing", "experiment", ["workspace_id", "lifecycle", "creation_time", "id"]
    )
