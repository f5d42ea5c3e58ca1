"""Writing to a run and reading what is there, for the tests of more than one endpoint."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api, Reply

NAME = "mlflow.runName"

Point = tuple[Any, int, int]  # value, timestamp, step


def data(api: Api, run: str) -> dict[str, Any]:
    """What is logged to a run."""
    found: dict[str, Any] = api.get("runs/get", {"run_id": run}).ok()["run"]["data"]
    return found


def params(api: Api, run: str) -> dict[str, str]:
    """A run's params."""
    return {x["key"]: x["value"] for x in data(api, run).get("params", [])}


def tags(api: Api, run: str) -> dict[str, str]:
    """A run's tags but its name."""
    return {x["key"]: x["value"] for x in data(api, run).get("tags", []) if x["key"] != NAME}


def latest(api: Api, run: str) -> dict[str, Point]:
    """The latest point of each of a run's metrics."""
    found = data(api, run).get("metrics", [])
    return {x["key"]: (x["value"], x["timestamp"], x["step"]) for x in found}


def history(api: Api, run: str, key: str) -> list[Point]:
    """All points of a metric."""
    found = api.get("metrics/get-history", {"run_id": run, "metric_key": key}).ok().get("metrics", [])
    assert {x["key"] for x in found} <= {key}
    return [(x["value"], x["timestamp"], x["step"]) for x in found]


def log(api: Api, run: str, **fields: Any) -> Reply:
    """log-metric of a point that has all it needs."""
    return api.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1, **fields})


def batch(api: Api, run: str, **fields: Any) -> Reply:
    """log-batch."""
    return api.post("runs/log-batch", {"run_id": run, **fields})


def point(**fields: Any) -> dict[str, Any]:
    """A point of log-batch that has all it needs."""
    return {"key": "m", "value": 1, "timestamp": 1, **fields}
