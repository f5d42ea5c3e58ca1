"""Deleted users, service principals, groups and custom roles, until they are restored or purged.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "deleted_identity",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", PLAIN_TEXT, nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=False),
        sa.Column("body", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_identity")),
    )
    op.create_index(
        "ix_deleted_identity_kind_deleted_time_id", "deleted_identity", ["kind", "deleted_time", "id"]
    )
    op.create_table(
        "deleted_group_member",
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "principal_id", name=op.f("pk_deleted_group_member")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deleted_group_member_principal_id", "deleted_group_member", ["principal_id"])
    op.create_table(
        "deleted_role_assignment",
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("role", PLAIN_TEXT, nullable=False),
        sa.Column("role_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "principal_id", "workspace_id", "role", "role_id", name=op.f("pk_deleted_role_assignment")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deleted_role_assignment_role_id_role", "deleted_role_assignment", ["role_id", "role"])
    op.create_table(
        "deleted_folder_rule",
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("path", PLAIN_TEXT, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "workspace_id", "path", name=op.f("pk_deleted_folder_rule")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deleted_experiment_rule",
        sa.Column("principal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "principal_id", "workspace_id", "experiment_id", name=op.f("pk_deleted_experiment_rule")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deleted_experiment_rule_experiment_id", "deleted_experiment_rule", ["experiment_id"])
