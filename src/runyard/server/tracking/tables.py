"""Tables of experiments, runs and what is logged to them.

Runs have integer surrogate ids; keys of params, tags and metrics are interned. Each attribute table is
ordered by run (to show one) and has an index by experiment, key and value (to find many). Indexes also
hold what searches read besides, so that even a search that has to look at every run reads only an index.

NaN can't be compared alike in both databases: it is stored as 0 beside a flag.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from runyard.server.db import INDEXED_CHARACTERS, BigId, PlainText, indexed, metadata

PREFIX = INDEXED_CHARACTERS

experiment = Table(
    "experiment",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("workspace_id", BigInteger, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("artifact_location", PlainText, nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    # A name is taken once among the active ones: see `define_partial_indexes`.
    Index("ix_experiment_listing", "workspace_id", "lifecycle", "creation_time", "id"),
    Index("ix_experiment_workspace_id_name", "workspace_id", "name", "lifecycle"),
    # An id is never given twice: clients may still hold that of one that was purged.
    sqlite_autoincrement=True,
)

experiment_tag = Table(
    "experiment_tag",
    metadata,
    Column("experiment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", PlainText, primary_key=True),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)

# Names of params, tags and metrics, interned. Rows are never changed or deleted, so they may be cached.
key = Table(
    "key",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", PlainText, nullable=False, unique=True),
)

run = Table(
    "run",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uuid", PlainText, nullable=False, unique=True),
    Column("experiment_id", BigInteger, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("user_id", PlainText, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("deleted_time", BigInteger),
    # Only where it isn't the experiment's location followed by the run.
    Column("artifact_uri", PlainText),
    Index(
        "ix_run_listing", "experiment_id", "lifecycle", "start_time", "id", "status", "end_time", "user_id"
    ),
    Index("ix_run_name", "experiment_id", "name", "id"),
    # An id is never given twice: what is on its way to the points of a purged run must not meet a new one.
    sqlite_autoincrement=True,
)

# How many points were logged to a run, as often as they were sent. Beside `run`, whose rows would be
# written anew with each point.
run_points = Table(
    "run_points",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("points", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


run_param = Table(
    "run_param",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, nullable=False),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_run_param_value",
    run_param.c.experiment_id,
    run_param.c.key_id,
    indexed(run_param.c.value),
    run_param.c.run_id,
)

run_tag = Table(
    "run_tag",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, nullable=False),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_run_tag_value",
    run_tag.c.experiment_id,
    run_tag.c.key_id,
    indexed(run_tag.c.value),
    run_tag.c.run_id,
)

# One row per series: what tables show and searches compare.
run_metric = Table(
    "run_metric",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, nullable=False),
    Column("last_nan", SmallInteger, nullable=False),
    Column("last_value", Double, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("last_time", BigInteger, nullable=False),
    Column("first_nan", SmallInteger, nullable=False),
    Column("first_value", Double, nullable=False),
    Column("first_step", BigInteger, nullable=False),
    Column("first_time", BigInteger, nullable=False),
    # NULL while the series holds nothing but NaN.
    Column("min_value", Double),
    Column("min_step", BigInteger),
    Column("max_value", Double),
    Column("max_step", BigInteger),
    # Exact unless `stale`: then points came in an order that only the compactor can count.
    Column("count", BigInteger, nullable=False),
    Column("nan_count", BigInteger, nullable=False),
    # NULL for NaN: both infinities were logged.
    Column("sum", Double),
    Column("stale", SmallInteger, nullable=False),
    # What follows the run serves the functions of a metric's history.
    Index(
        "ix_run_metric_value",
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
    ),
    sqlite_with_rowid=False,
)

# A dataset is the same one in an experiment whenever it comes with the same name and digest.
dataset = Table(
    "dataset",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("experiment_id", BigInteger, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("digest", PlainText, nullable=False),
    Column("source_type", PlainText, nullable=False),
    Column("source", PlainText, nullable=False),
    Column("schema", PlainText),
    Column("profile", PlainText),
    UniqueConstraint("experiment_id", "name", "digest"),
)

run_dataset = Table(
    "run_dataset",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("dataset_id", BigInteger, primary_key=True, autoincrement=False),
    # The tag `mlflow.data.context`, which searches compare; empty where there is none. A run may read
    # the same data for training and for evaluation.
    Column("context", PlainText, primary_key=True),
    # All tags as a JSON object of strings.
    Column("tags", PlainText, nullable=False),
    Index("ix_run_dataset_dataset_id", "dataset_id", "context", "run_id"),
    sqlite_with_rowid=False,
)

logged_model = Table(
    "logged_model",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uuid", PlainText, nullable=False, unique=True),
    Column("experiment_id", BigInteger, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("artifact_location", PlainText, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    # Empty where it isn't known.
    Column("model_type", PlainText, nullable=False),
    Column("source_run", PlainText, nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("deleted_time", BigInteger),
    Index("ix_logged_model_listing", "experiment_id", "lifecycle", "creation_time", "id"),
    Index("ix_logged_model_name", "experiment_id", "name", "id"),
    Index("ix_logged_model_source_run", "source_run"),
)

logged_model_param = Table(
    "logged_model_param",
    metadata,
    Column("model_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, nullable=False),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_logged_model_param_value",
    logged_model_param.c.experiment_id,
    logged_model_param.c.key_id,
    indexed(logged_model_param.c.value),
    logged_model_param.c.model_id,
)

logged_model_tag = Table(
    "logged_model_tag",
    metadata,
    Column("model_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("experiment_id", BigInteger, nullable=False),
    Column("value", PlainText, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_logged_model_tag_value",
    logged_model_tag.c.experiment_id,
    logged_model_tag.c.key_id,
    indexed(logged_model_tag.c.value),
    logged_model_tag.c.model_id,
)

# Every point that measures a logged model, on a dataset or on none (then name and digest are empty).
# The experiment is the model's, which needn't be the run's.
logged_model_metric = Table(
    "logged_model_metric",
    metadata,
    Column("model_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("dataset_name", PlainText, primary_key=True),
    Column("dataset_digest", PlainText, primary_key=True),
    Column("experiment_id", BigInteger, nullable=False),
    Column("is_nan", SmallInteger, nullable=False),
    Column("value", Double, nullable=False),
    Index("ix_logged_model_metric_value", "experiment_id", "key_id", "is_nan", "value", "model_id"),
    sqlite_with_rowid=False,
)

# Models that a run took in or put out; they may be unknown here.
run_model = Table(
    "run_model",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("model_uuid", PlainText, primary_key=True),
    Column("direction", SmallInteger, primary_key=True, autoincrement=False),  # 0 input, 1 output
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_run_model_model", "model_uuid", "run_id"),
    sqlite_with_rowid=False,
)

# Artifact files in the trash, each row a file or a folder of a run or of a logged model. They lie beside its
# other artifacts (`rules.trash_folder`), so they go with it when it is purged.
deleted_artifact = Table(
    "deleted_artifact",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uuid", PlainText, nullable=False, unique=True),
    Column("workspace_id", BigInteger, nullable=False),
    Column("experiment_id", BigInteger, nullable=False),
    # Whose they are: one of both.
    Column("run_id", BigInteger),
    Column("model_id", BigInteger),
    # Where they were, from the workspace on.
    Column("path", PlainText, nullable=False),
    Column("is_dir", SmallInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    # `types.FileState`, and since when.
    Column("state", SmallInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("deleted_time", BigInteger, nullable=False),
    Index("ix_deleted_artifact_listing", "workspace_id", "state", "deleted_time", "id"),
    Index("ix_deleted_artifact_model", "model_id"),
    Index("ix_deleted_artifact_run", "run_id"),
    Index("ix_deleted_artifact_state", "state", "deleted_time", "id"),
    sqlite_autoincrement=True,
)


def define_partial_indexes() -> None:
    """Add the indexes that hold only some rows: the names of active experiments, of which each is taken
    once, and the runs and models in the trash, by the time; what is in use costs these nothing.

    Only who compares the tables with the migrations needs them, and to name an option of PostgreSQL's is to
    import its dialect, which takes a tenth of a start.
    """
    c, active = experiment.c, text("lifecycle = 0")
    Index(
        "ix_experiment_active_name",
        c.workspace_id,
        c.name,
        unique=True,
        sqlite_where=active,
        postgresql_where=active,
    )
    for table in (run, logged_model):
        c = table.c
        deleted = c.deleted_time.is_not(None)
        Index(
            f"ix_{table.name}_trash",
            c.experiment_id,
            c.lifecycle,
            c.deleted_time,
            c.id,
            sqlite_where=deleted,
            postgresql_where=deleted,
        )
