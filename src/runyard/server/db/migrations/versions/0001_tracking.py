"""Experiments, runs, logged models and metric series.

Revision ID: 0001
Revises:
"""

from alembic import op

from runyard.server.db.metadata import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
