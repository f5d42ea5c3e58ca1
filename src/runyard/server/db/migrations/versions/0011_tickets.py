"""A ticket is for one upload, and ends with the token that it was made with.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("token", sa.Column("upload", PLAIN_TEXT))
    op.add_column("token", sa.Column("maker_id", sa.BigInteger()))
    for name in ("upload", "maker_id"):
        of_tickets = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_token_{name}", "token", [name], sqlite_where=of_tickets, postgresql_where=of_tickets
        )
