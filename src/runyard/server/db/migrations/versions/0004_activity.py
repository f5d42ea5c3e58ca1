"""The activity log: indexes to read it by, and triggers that keep what is sealed as it is.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (
    "id",
    "time",
    "workspace_id",
    "actor_id",
    "actor",
    "credential",
    "address",
    "action",
    "target_type",
    "target",
    "detail",
)
_CHANGED = "a sealed event of the activity log is never changed"
_DELETED = "an event of the activity log is never deleted"


def upgrade() -> None:
    op.drop_index("ix_event_workspace_id_id", "event")
    op.create_index("ix_event_actor_time_id", "event", ["actor", "time", "id"])
    op.create_index("ix_event_target_time_id", "event", ["target", "time", "id"])
    op.create_index("ix_event_time_id", "event", ["time", "id"])
    op.create_index("ix_event_workspace_id_time_id", "event", ["workspace_id", "time", "id"])
    if op.get_context().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    changed = " OR ".join(["OLD.sequence IS NOT NULL", *(f"OLD.{c} IS NOT NEW.{c}" for c in _COLUMNS)])
    op.execute(
        f"CREATE TRIGGER event_unchanged BEFORE UPDATE ON event WHEN {changed} "
        f"BEGIN SELECT RAISE(ABORT, '{_CHANGED}'); END"
    )
    op.execute(
        f"CREATE TRIGGER event_undeleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, '{_DELETED}'); END"
    )


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION event_protected() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END $$"
    )
    old, new = (", ".join(f"{side}.{c}" for c in _COLUMNS) for side in ("OLD", "NEW"))
    op.execute(
        "CREATE TRIGGER event_unchanged BEFORE UPDATE ON event FOR EACH ROW "
        f"WHEN (OLD.sequence IS NOT NULL OR ({old}) IS DISTINCT FROM ({new})) "
        f"EXECUTE FUNCTION event_protected('{_CHANGED}')"
    )
    op.execute(
        "CREATE TRIGGER event_undeleted BEFORE DELETE ON event FOR EACH ROW "
        f"EXECUTE FUNCTION event_protected('{_DELETED}')"
    )
    op.execute(
        "CREATE TRIGGER event_untruncated BEFORE TRUNCATE ON event FOR EACH STATEMENT "
        f"EXECUTE FUNCTION event_protected('{_DELETED}')"
    )
