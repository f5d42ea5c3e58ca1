"""Experiments, runs, logged models and metric series.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metric_batch",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_batch")),
    )
    _store_as_it_is("metric_batch", "data")
    op.create_index("ix_metric_batch_scope_n", "metric_batch", ["scope", "n"])
    op.create_table(
        "metric_pack",
        sa.Column("scope", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_metric_pack")),
    )
    _store_as_it_is("metric_pack", "data")
    op.create_table(
        "metric_chunk",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("series", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("first_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("first_rank", sa.BigInteger(), nullable=False),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_rank", sa.BigInteger(), nullable=False),
        sa.Column("min_step", sa.BigInteger(), nullable=False),
        sa.Column("max_step", sa.BigInteger(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_chunk")),
    )
    _store_as_it_is("metric_chunk", "sketch", "points")
    op.create_index(
        "ix_metric_chunk_series_first_timestamp_first_step_first_rank",
        "metric_chunk",
        ["series", "first_timestamp", "first_step", "first_rank"],
        unique=True,
    )
    op.create_table(
        "experiment",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("artifact_location", PLAIN_TEXT, nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_experiment_workspace_id_name")),
    )
    op.create_index(
        "ix_experiment_listing", "experiment", ["workspace_id", "lifecycle", "creation_time", "id"]
    )
    op.create_table(
        "experiment_tag",
        sa.Column("experiment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", PLAIN_TEXT, nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "key", name=op.f("pk_experiment_tag")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "key",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("name", name=op.f("uq_key_name")),
    )
    op.create_table(
        "run",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", PLAIN_TEXT, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("user_id", PLAIN_TEXT, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", PLAIN_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("uuid", name=op.f("uq_run_uuid")),
    )
    op.create_index(
        "ix_run_listing",
        "run",
        ["experiment_id", "lifecycle", "start_time", "id", "status", "end_time", "user_id"],
    )
    op.create_index("ix_run_name", "run", ["experiment_id", "name", "id"])
    op.create_table(
        "run_param",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key_id", name=op.f("pk_run_param")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_param_value", "run_param", ["experiment_id", "key_id", _indexed("value"), "run_id"]
    )
    op.create_table(
        "run_tag",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key_id", name=op.f("pk_run_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_tag_value", "run_tag", ["experiment_id", "key_id", _indexed("value"), "run_id"])
    op.create_table(
        "run_metric",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("last_nan", sa.SmallInteger(), nullable=False),
        sa.Column("last_value", sa.Double(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=False),
        sa.Column("first_nan", sa.SmallInteger(), nullable=False),
        sa.Column("first_value", sa.Double(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=False),
        sa.Column("min_value", sa.Double(), nullable=True),
        sa.Column("min_step", sa.BigInteger(), nullable=True),
        sa.Column("max_value", sa.Double(), nullable=True),
        sa.Column("max_step", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("nan_count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Double(), nullable=True),
        sa.Column("stale", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key_id", name=op.f("pk_run_metric")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_metric_value",
        "run_metric",
        [
            "experiment_id",
            "key_id",
            "last_nan",
            "last_value",
            "run_id",
            "max_value",
            "min_value",
            "first_nan",
            "first_value",
            "count",
            "nan_count",
            "sum",
        ],
    )
    op.create_table(
        "dataset",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("digest", PLAIN_TEXT, nullable=False),
        sa.Column("source_type", PLAIN_TEXT, nullable=False),
        sa.Column("source", PLAIN_TEXT, nullable=False),
        sa.Column("schema", PLAIN_TEXT, nullable=True),
        sa.Column("profile", PLAIN_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint(
            "experiment_id", "name", "digest", name=op.f("uq_dataset_experiment_id_name_digest")
        ),
    )
    op.create_table(
        "run_dataset",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("context", PLAIN_TEXT, nullable=False),
        sa.Column("tags", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", "context", name=op.f("pk_run_dataset")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_dataset_dataset_id", "run_dataset", ["dataset_id", "context", "run_id"])
    op.create_table(
        "logged_model",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uuid", PLAIN_TEXT, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("artifact_location", PLAIN_TEXT, nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("model_type", PLAIN_TEXT, nullable=False),
        sa.Column("source_run", PLAIN_TEXT, nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_model")),
        sa.UniqueConstraint("uuid", name=op.f("uq_logged_model_uuid")),
    )
    op.create_index(
        "ix_logged_model_listing", "logged_model", ["experiment_id", "lifecycle", "creation_time", "id"]
    )
    op.create_index("ix_logged_model_name", "logged_model", ["experiment_id", "name", "id"])
    op.create_index("ix_logged_model_source_run", "logged_model", ["source_run"])
    op.create_table(
        "logged_model_param",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "key_id", name=op.f("pk_logged_model_param")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_logged_model_param_value",
        "logged_model_param",
        ["experiment_id", "key_id", _indexed("value"), "model_id"],
    )
    op.create_table(
        "logged_model_tag",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("value", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "key_id", name=op.f("pk_logged_model_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_logged_model_tag_value",
        "logged_model_tag",
        ["experiment_id", "key_id", _indexed("value"), "model_id"],
    )
    op.create_table(
        "logged_model_metric",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dataset_name", PLAIN_TEXT, nullable=False),
        sa.Column("dataset_digest", PLAIN_TEXT, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("is_nan", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model_id",
            "key_id",
            "timestamp",
            "step",
            "run_id",
            "dataset_name",
            "dataset_digest",
            name=op.f("pk_logged_model_metric"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_logged_model_metric_value",
        "logged_model_metric",
        ["experiment_id", "key_id", "is_nan", "value", "model_id"],
    )
    op.create_table(
        "run_model",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_uuid", PLAIN_TEXT, nullable=False),
        sa.Column("direction", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "model_uuid", "direction", "step", name=op.f("pk_run_model")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_model_model", "run_model", ["model_uuid", "run_id"])


def _indexed(column: str) -> str | sa.TextClause:
    """What an index holds of a text of any length; PostgreSQL's entries may not be long."""
    if op.get_context().dialect.name == "postgresql":
        return sa.text(f"substr({column}, 1, 200)")
    return column


def _store_as_it_is(table: str, *columns: str) -> None:
    """Keep PostgreSQL from compressing blobs, which wouldn't get shorter."""
    if op.get_context().dialect.name == "postgresql":
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
