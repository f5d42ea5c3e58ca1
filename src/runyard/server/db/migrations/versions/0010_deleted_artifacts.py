"""Artifact files that lie in the trash.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "deleted_artifact",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", PLAIN_TEXT, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("model_id", sa.BigInteger(), nullable=True),
        sa.Column("path", PLAIN_TEXT, nullable=False),
        sa.Column("is_dir", sa.SmallInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_artifact")),
        sa.UniqueConstraint("uuid", name=op.f("uq_deleted_artifact_uuid")),
        sqlite_autoincrement=True,
    )
    for name, columns in {
        "listing": ["workspace_id", "state", "deleted_time", "id"],
        "model": ["model_id"],
        "run": ["run_id"],
        "state": ["state", "deleted_time", "id"],
    }.items():
        op.create_index(f"ix_deleted_artifact_{name}", "deleted_artifact", columns)
