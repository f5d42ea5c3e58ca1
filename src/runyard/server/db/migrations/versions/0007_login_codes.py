"""Codes by which the command line signs in through the browser.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "login_code",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("principal_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("address", PLAIN_TEXT, nullable=False),
        sa.Column("expiry_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_login_code")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_login_code_expiry_time", "login_code", ["expiry_time"])
    if op.get_context().dialect.name == "postgresql":
        # Compressing them wouldn't make them shorter.
        for column in ("hash", "challenge"):
            op.execute(f"ALTER TABLE login_code ALTER COLUMN {column} SET STORAGE EXTERNAL")
