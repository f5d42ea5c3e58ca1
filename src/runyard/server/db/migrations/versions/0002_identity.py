"""Workspaces, identity and the event log.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "workspace",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("description", PLAIN_TEXT, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.Column("default_experiment_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspace")),
        sa.UniqueConstraint("name", name=op.f("uq_workspace_name")),
    )
    op.create_table(
        "workspace_tag",
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", PLAIN_TEXT, nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_workspace_tag")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "principal",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("external_id", PLAIN_TEXT, nullable=True),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("display_name", PLAIN_TEXT, nullable=False),
        sa.Column("email", PLAIN_TEXT, nullable=False),
        sa.Column("password_hash", PLAIN_TEXT, nullable=True),
        sa.Column("is_admin", sa.SmallInteger(), nullable=False),
        sa.Column("is_disabled", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principal")),
        sa.UniqueConstraint("external_id", name=op.f("uq_principal_external_id")),
        sa.UniqueConstraint("name", name=op.f("uq_principal_name")),
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "principal_id", name=op.f("pk_group_member")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_group_member_principal_id", "group_member", ["principal_id"])
    op.create_table(
        "role",
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("description", PLAIN_TEXT, nullable=False),
        sa.Column("actions", PLAIN_TEXT, nullable=False),
        sa.Column("not_actions", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_role")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "role_assignment",
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("role", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "principal_id", "role", name=op.f("pk_role_assignment")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_role_assignment_principal_id", "role_assignment", ["principal_id"])
    op.create_table(
        "folder_rule",
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("path", PLAIN_TEXT, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "principal_id", "path", name=op.f("pk_folder_rule")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_folder_rule_workspace_id_path", "folder_rule", ["workspace_id", "path"])
    op.create_table(
        "experiment_rule",
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "principal_id", "experiment_id", name=op.f("pk_experiment_rule")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_experiment_rule_experiment_id", "experiment_rule", ["experiment_id"])
    op.create_table(
        "token",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("principal_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=True),
        sa.Column("run_uuid", PLAIN_TEXT, nullable=True),
        sa.Column("experiment_id", sa.BigInteger(), nullable=True),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("expiry_time", sa.BigInteger(), nullable=False),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_token_hash")),
    )
    _store_as_it_is("token", "hash")
    op.create_index("ix_token_expiry_time", "token", ["expiry_time"])
    op.create_index("ix_token_principal_id", "token", ["principal_id", "id"])
    op.create_index("ix_token_run_uuid", "token", ["run_uuid"])
    op.create_table(
        "event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", PLAIN_TEXT, nullable=False),
        sa.Column("credential", PLAIN_TEXT, nullable=False),
        sa.Column("address", PLAIN_TEXT, nullable=False),
        sa.Column("action", PLAIN_TEXT, nullable=False),
        sa.Column("target_type", PLAIN_TEXT, nullable=False),
        sa.Column("target", PLAIN_TEXT, nullable=False),
        sa.Column("detail", PLAIN_TEXT, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("sequence", name=op.f("uq_event_sequence")),
    )
    _store_as_it_is("event", "hash")
    op.create_index("ix_event_workspace_id_id", "event", ["workspace_id", "id"])


def _store_as_it_is(table: str, *columns: str) -> None:
    """Keep PostgreSQL from compressing blobs, which wouldn't get shorter."""
    if op.get_context().dialect.name == "postgresql":
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
