"""Filling experiments, throwing things away, and looking at what is left in the database."""

from __future__ import annotations

from typing import Any

from runyard.server.db.database import open_dialect
from tests.api.conftest import Api, Reply

TRASH = "/api/runyard/1/trash"
DAY = 24 * 3_600_000

# What an answer counts of each kind.
KINDS = (
    "workspaces",
    "experiments",
    "runs",
    "models",
    "artifacts",
    "users",
    "service_principals",
    "groups",
    "roles",
)

Counts = dict[str, int]

# What belongs to a run, by its surrogate key.
OF_RUN = ("run_param", "run_tag", "run_metric", "run_dataset", "run_model", "run_points")
TABLES = (
    "experiment",
    "experiment_tag",
    "experiment_rule",
    "run",
    *OF_RUN,
    "dataset",
    "metric_batch",
    "metric_pack",
    "metric_chunk",
    "logged_model",
    "logged_model_param",
    "logged_model_tag",
    "logged_model_metric",
    "deleted_artifact",
    "token",
)


def sql(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement beside the server; returns its rows."""
    connection = open_dialect(database_url).connect(readonly=False)
    try:
        cursor = connection.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()


def counts(database_url: str) -> Counts:
    """The rows of those tables that have any."""
    found = {table: sql(database_url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    return {table: count for table, count in found.items() if count}


def events(database_url: str, columns: str = "action, target_type, target, detail") -> list[tuple[Any, ...]]:
    """The activity log, the first event first."""
    return sql(database_url, f"SELECT {columns} FROM event ORDER BY id")


def age(database_url: str, milliseconds: int) -> None:
    """Let everything that was deleted or marked have been so earlier."""
    for table in ("run", "logged_model", "workspace", "deleted_identity", "deleted_artifact"):
        sql(database_url, f"UPDATE {table} SET deleted_time = deleted_time - {milliseconds}")
    sql(database_url, f"UPDATE deleted_artifact SET since = since - {milliseconds}")
    sql(
        database_url,
        f"UPDATE experiment SET last_update_time = last_update_time - {milliseconds} WHERE lifecycle > 0",
    )


def fill(api: Api, run: str, *, model: str | None = None, workspace: str = "default") -> None:
    """Log something of every kind to a run."""
    at = "" if workspace == "default" else f"/w/{workspace}"
    base = f"{at}/api/2.0/mlflow/"
    metrics = [{"key": f"m{i % 3}", "value": i, "timestamp": i, "step": i} for i in range(30)]
    sent = {
        "run_id": run,
        "metrics": metrics,
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "x"}],
    }
    api.post(f"{base}runs/log-batch", sent).ok()
    dataset = {"name": "d", "digest": run[:8], "source_type": "local", "source": "s"}
    shared = {**dataset, "digest": "shared"}
    uses = [{"dataset": one, "tags": []} for one in (dataset, shared)]
    models = [{"model_id": "m-elsewhere"}]
    api.post(f"{base}runs/log-inputs", {"run_id": run, "datasets": uses, "models": models}).ok()
    if model is not None:
        point = {"run_id": run, "key": "acc", "value": 1, "timestamp": 1, "model_id": model}
        api.post(f"{base}runs/log-metric", point).ok()
    experiment = api.get(f"{base}runs/get", {"run_id": run}).ok()["run"]["info"]["experiment_id"]
    upload(api, f"{workspace}/{experiment}/{run}/artifacts/a/b.txt", at=at).ok()


def upload(api: Api, path: str, content: bytes = b"hello", at: str = "") -> Reply:
    """Store an artifact."""
    address = f"{at}/api/2.0/mlflow-artifacts/artifacts/{path}"
    return api.request("PUT", address, content=content, headers={"Content-Type": "application/octet-stream"})


def new_model(api: Api, experiment: str) -> str:
    """A logged model with something of every kind."""
    sent = {
        "experiment_id": experiment,
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "x"}],
    }
    model = str(api.post("logged-models", sent).ok()["model"]["info"]["model_id"])
    upload(api, f"default/{experiment}/models/{model}/artifacts/MLmodel").ok()
    return model


def trash(api: Api, **query: Any) -> list[dict[str, Any]]:
    """What lies in the trash."""
    items: list[dict[str, Any]] = api.get(TRASH, query).ok()["items"]
    return items


def counted(**given: int) -> Counts:
    """How an answer tells these counts; the other kinds' are 0."""
    return dict.fromkeys(KINDS, 0) | given


def names(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and id of what lies in the trash."""
    return [(item["kind"], item["id"]) for item in items]


def item(kind: str, id: str) -> dict[str, str]:
    """Names something in the trash."""
    return {"kind": kind, "id": id}


def purge(api: Api, *items: dict[str, str], **sent: Any) -> dict[str, Any]:
    """Purge; without items everything."""
    body = {"items": list(items), **sent} if items else {"all": True, **sent}
    found: dict[str, Any] = api.post(f"{TRASH}/purge", body).ok()
    return found


def settle(api: Api) -> None:
    """Return when a round of the background work has passed."""
    assert purge(api, deleted_before=0)["done"]
