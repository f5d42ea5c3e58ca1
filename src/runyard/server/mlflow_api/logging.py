"""MLflow's endpoints that log to a run. These are the hot paths: they build columns, not objects."""

from __future__ import annotations

from array import array
from typing import Any, Literal

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Empty, Int64, KeyValue, Request
from runyard.server.tracking import rules
from runyard.server.tracking.service import RunLog
from runyard.server.tracking.types import MetricOrigin, MetricPoints, RunBatch, Tag
from runyard.server.web import Call, Route, post


class LogMetric(Request, gc=False):
    """runs/log-metric"""

    run_id: str | None = None
    run_uuid: str | None = None
    key: str | None = None
    value: float | None = None
    timestamp: Int64 | None = None
    step: Int64 | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SentMetric(Request, gc=False):
    """A point in runs/log-batch"""

    key: str | None = None
    value: float | None = None
    timestamp: Int64 | None = None
    step: Int64 | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogBatch(Request):
    """runs/log-batch"""

    run_id: str | None = None
    metrics: list[SentMetric] | None = None
    params: list[KeyValue] | None = None
    tags: list[KeyValue] | None = None


class LogParam(Request):
    """runs/log-parameter, runs/set-tag"""

    run_id: str | None = None
    run_uuid: str | None = None
    key: str | None = None
    value: str | None = None


class LogModel(Request):
    """runs/log-model"""

    run_id: str | None = None
    model_json: str | None = None


class LoggingEndpoints:
    """Handlers of `/mlflow/runs/log-...` and `set-tag`."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        write = Permission.RUN_WRITE
        return [
            post(
                "/mlflow/runs/log-metric",
                self.log_metric,
                LogMetric,
                Empty,
                write,
                "Log one point of a metric",
            ),
            post(
                "/mlflow/runs/log-batch",
                self.log_batch,
                LogBatch,
                Empty,
                write,
                "Log metrics, params and tags",
            ),
            post("/mlflow/runs/log-parameter", self.log_parameter, LogParam, Empty, write, "Log a parameter"),
            post("/mlflow/runs/set-tag", self.set_tag, LogParam, Empty, write, "Set a tag of a run"),
            post(
                "/mlflow/runs/log-model",
                self.log_model,
                LogModel,
                Empty,
                write,
                "Note a model in the run's tag of logged models",
            ),
        ]

    async def log_metric(self, call: Call) -> Empty:
        """runs/log-metric"""
        sent: LogMetric = call.body
        run = wire.run_id(sent.run_id, sent.run_uuid)
        key = sent.key
        if not key:
            raise wire.missing("key")
        value, timestamp = sent.value, sent.timestamp
        if value is None:
            raise wire.missing("value")
        if timestamp is None:
            raise wire.missing("timestamp")
        if timestamp < 0:
            raise _negative_timestamp("timestamp", key, timestamp)
        origins = None
        if sent.model_id:
            origin = MetricOrigin(sent.model_id, sent.dataset_name or "", sent.dataset_digest or "")
            origins = {0: origin}
        points = MetricPoints([key], None, [value], [timestamp], [sent.step or 0], origins)
        await self._log.log_points(call.principal, run, points, "key")
        return EMPTY

    async def log_batch(self, call: Call) -> Empty:
        """runs/log-batch"""
        sent: LogBatch = call.body
        run = wire.required(sent.run_id, "run_id")
        metrics, params, tags = sent.metrics or [], sent.params or [], sent.tags or []
        rules.check_batch_sizes(len(metrics), len(params), len(tags))
        batch = RunBatch(
            run, _points(metrics) if metrics else None, wire.tags_from(params, "params"), wire.tags_from(tags)
        )
        await self._log.log(call.principal, batch)
        return EMPTY

    async def log_parameter(self, call: Call) -> Empty:
        """runs/log-parameter"""
        sent: LogParam = call.body
        param = Tag(wire.required(sent.key, "key"), sent.value or "")
        await self._log.log_param(call.principal, wire.run_id(sent.run_id, sent.run_uuid), param)
        return EMPTY

    async def set_tag(self, call: Call) -> Empty:
        """runs/set-tag"""
        sent: LogParam = call.body
        tag = Tag(wire.required(sent.key, "key"), sent.value or "")
        await self._log.set_tag(call.principal, wire.run_id(sent.run_id, sent.run_uuid), tag)
        return EMPTY

    async def log_model(self, call: Call) -> Empty:
        """runs/log-model"""
        sent: LogModel = call.body
        run = wire.required(sent.run_id, "run_id")
        await self._log.note_model(call.principal, run, wire.required(sent.model_json, "model_json"))
        return EMPTY


def _points(metrics: list[SentMetric]) -> MetricPoints:
    """The columns of a batch; every point must have a key, a value and a timestamp.

    Numbers go into arrays here, once: all that follows reads them without touching each.
    """
    keys = [m.key for m in metrics]
    if None in keys:
        raise wire.missing(f"metrics[{keys.index(None)}].key")
    values = _column("d", [m.value for m in metrics], "value")
    sent_at = [m.timestamp for m in metrics]
    timestamps = _column("q", sent_at, "timestamp")
    if min(sent_at) < 0:  # type: ignore[type-var, operator]
        at = next(i for i, t in enumerate(timestamps) if t < 0)
        raise _negative_timestamp(f"metrics[{at}].timestamp", str(keys[at]), timestamps[at])
    origins = None
    if any([m.model_id for m in metrics]):  # noqa: C419 - a list is faster here, and this is a hot path
        origins = {
            i: MetricOrigin(m.model_id, m.dataset_name or "", m.dataset_digest or "")
            for i, m in enumerate(metrics)
            if m.model_id
        }
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    index = None if len(place) == 1 else list(map(place.__getitem__, keys))
    steps = array("q", [m.step or 0 for m in metrics])
    return MetricPoints(list(place), index, values, timestamps, steps, origins)  # type: ignore[arg-type]


def _column(kind: Literal["d", "q"], numbers: list[Any], name: str) -> array[Any]:
    try:
        return array(kind, numbers)
    except TypeError:
        raise wire.missing(f"metrics[{numbers.index(None)}].{name}") from None


def _negative_timestamp(field: str, key: str, timestamp: int | None) -> InvalidArgument:
    return InvalidArgument(
        f"Invalid value {timestamp} for parameter '{field}' supplied: metric '{rules.cut(key)}'. "
        "Timestamp must be a nonnegative long (64-bit integer), in milliseconds since the epoch.",
        field=field,
    )
