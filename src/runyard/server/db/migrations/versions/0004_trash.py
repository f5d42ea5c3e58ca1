"""The trash: an experiment's row says for all its runs that they are deleted, and an index finds what is.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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
    for table in ("run", "logged_model"):
        op.create_index(
            f"ix_{table}_trash",
            table,
            ["experiment_id", "lifecycle", "deleted_time", "id"],
            sqlite_where=_DELETED,
            postgresql_where=_DELETED,
        )
