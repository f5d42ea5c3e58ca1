"""Tables of principals, what they may do, and their credentials. No secret is stored as it is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, UniqueConstraint

from runyard.server.db import BigId, PlainText, metadata

# Users, service principals and groups share one space of names.
principal = Table(
    "principal",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    # `issuer|subject` of an OIDC provider.
    Column("external_id", PlainText, unique=True),
    # Lower case.
    Column("name", PlainText, nullable=False, unique=True),
    Column("display_name", PlainText, nullable=False),
    Column("email", PlainText, nullable=False),
    # argon2's own form; NULL for who signs in otherwise.
    Column("password_hash", PlainText),
    Column("is_admin", SmallInteger, nullable=False),
    Column("is_disabled", SmallInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
)

group_member = Table(
    "group_member",
    metadata,
    Column("group_id", BigInteger, primary_key=True, autoincrement=False),
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_group_member_principal_id", "principal_id"),
    sqlite_with_rowid=False,
)

# Custom roles; the built-in ones are in `rules`.
role = Table(
    "role",
    metadata,
    Column("name", PlainText, primary_key=True),
    Column("description", PlainText, nullable=False),
    # JSON lists of texts.
    Column("actions", PlainText, nullable=False),
    Column("not_actions", PlainText, nullable=False),
    sqlite_with_rowid=False,
)

role_assignment = Table(
    "role_assignment",
    metadata,
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("role", PlainText, primary_key=True),
    Index("ix_role_assignment_principal_id", "principal_id"),
    sqlite_with_rowid=False,
)

folder_rule = Table(
    "folder_rule",
    metadata,
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("path", PlainText, primary_key=True),
    Column("level", SmallInteger, nullable=False),
    Index("ix_folder_rule_workspace_id_path", "workspace_id", "path"),
    sqlite_with_rowid=False,
)

experiment_rule = Table(
    "experiment_rule",
    metadata,
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, nullable=False),
    Index("ix_experiment_rule_experiment_id", "experiment_id"),
    sqlite_with_rowid=False,
)

# Personal, tracking and run-scoped tokens, browser sessions, and tickets of uploads.
token = Table(
    "token",
    metadata,
    Column("id", BigId, primary_key=True),
    # SHA-256 of the token.
    Column("hash", LargeBinary, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("principal_id", BigInteger, nullable=False),
    Column("name", PlainText, nullable=False),
    # NULL: in every workspace that its owner may enter.
    Column("workspace_id", BigInteger),
    # Of a run-scoped token.
    Column("run_uuid", PlainText),
    Column("experiment_id", BigInteger),
    Column("creation_time", BigInteger, nullable=False),
    Column("expiry_time", BigInteger, nullable=False),
    Column("last_used_time", BigInteger),
    # Of an upload's ticket: the upload, and the token that it was made with; NULL for a password.
    Column("upload", PlainText),
    Column("maker_id", BigInteger),
    UniqueConstraint("hash"),
    Index("ix_token_principal_id", "principal_id", "id"),
    Index("ix_token_run_uuid", "run_uuid"),
    Index("ix_token_expiry_time", "expiry_time"),
    # See also `define_partial_indexes`.
)

# Deleted users, service principals, groups and custom roles, until they are restored or purged. What of a
# principal isn't a credential is moved to the tables below and back; its tokens end for good.
deleted_identity = Table(
    "deleted_identity",
    metadata,
    # Of a principal its own id, under which it comes back; of a role one of this table's.
    Column("id", BigId, primary_key=True),
    # `user`, `service_principal`, `group` or `role`.
    Column("kind", PlainText, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("deleted_time", BigInteger, nullable=False),
    # JSON: the columns of its row by their names, so perhaps the hash of a password. A column that a later
    # migration adds to `principal` or `role` may be NULL or has a `default`: that is what comes back in it.
    Column("body", PlainText, nullable=False),
    Index("ix_deleted_identity_kind_deleted_time_id", "kind", "deleted_time", "id"),
)

# Memberships of which the group, the member or both are deleted.
deleted_group_member = Table(
    "deleted_group_member",
    metadata,
    Column("group_id", BigInteger, primary_key=True, autoincrement=False),
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_deleted_group_member_principal_id", "principal_id"),
    sqlite_with_rowid=False,
)

deleted_role_assignment = Table(
    "deleted_role_assignment",
    metadata,
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("role", PlainText, primary_key=True),
    # Which of the deleted roles of this name it was; 0 while that role is there.
    Column("role_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_deleted_role_assignment_role_id_role", "role_id", "role"),
    sqlite_with_rowid=False,
)

deleted_folder_rule = Table(
    "deleted_folder_rule",
    metadata,
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("path", PlainText, primary_key=True),
    Column("level", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

deleted_experiment_rule = Table(
    "deleted_experiment_rule",
    metadata,
    Column("principal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("workspace_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, nullable=False),
    Index("ix_deleted_experiment_rule_experiment_id", "experiment_id"),
    sqlite_with_rowid=False,
)

# A person's word, given in the browser, that a program may have a token; the program takes it once.
login_code = Table(
    "login_code",
    metadata,
    # SHA-256 of the code.
    Column("hash", LargeBinary, primary_key=True),
    # SHA-256 of what only the program knows that asked (PKCE).
    Column("challenge", LargeBinary, nullable=False),
    Column("principal_id", BigInteger, nullable=False),
    # The browser's session; with it the code ends too.
    Column("session_id", BigInteger, nullable=False),
    # Name and days of the token.
    Column("name", PlainText, nullable=False),
    Column("days", SmallInteger, nullable=False),
    # Where the browser was.
    Column("address", PlainText, nullable=False),
    Column("expiry_time", BigInteger, nullable=False),
    Index("ix_login_code_expiry_time", "expiry_time"),
    sqlite_with_rowid=False,
)


def define_partial_indexes() -> None:
    """Add the indexes that hold only the tickets among the tokens; the others cost these nothing.

    Only who compares the tables with the migrations needs them, and to name an option of PostgreSQL's is to
    import its dialect, which takes a tenth of a start.
    """
    for column in (token.c.upload, token.c.maker_id):
        of_tickets = column.is_not(None)
        Index(f"ix_token_{column.name}", column, sqlite_where=of_tickets, postgresql_where=of_tickets)
