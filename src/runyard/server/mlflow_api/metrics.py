"""MLflow's endpoints that read metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.metrics.types import Points
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import Answer, Int64, Request, WireMetric
from runyard.server.tracking.service import MetricHistory
from runyard.server.tracking.types import MetricValue
from runyard.server.web import Call, Route, get

# Points that are put into one answer at once; a longer one is sent in pieces of this size.
PIECE = 25_000
MAX_PAGE = 100_000
MAX_BULK_RUNS = 100
MAX_BULK_POINTS = 25_000
MAX_INTERVAL_POINTS = 2500

_encode = msgspec.json.Encoder().encode


class GetHistory(Request):
    """metrics/get-history"""

    run_id: str | None = None
    run_uuid: str | None = None
    metric_key: str | None = None
    max_results: Int64 | None = None
    page_token: str | None = None


class History(Answer):
    """metrics/get-history"""

    metrics: list[Any] = []
    next_page_token: str | None = None


class GetHistoryBulk(Request):
    """metrics/get-history-bulk"""

    run_id: list[str] | None = None
    metric_key: str | None = None
    max_results: Int64 | None = None


class GetHistoryBulkInterval(Request):
    """metrics/get-history-bulk-interval"""

    run_ids: list[str] | None = None
    metric_key: str | None = None
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 | None = None


class HistoryBulk(msgspec.Struct):
    """metrics/get-history-bulk; the list is there even when it is empty."""

    metrics: list[WireMetric]


class MetricEndpoints:
    """Handlers of `/mlflow/metrics/...`."""

    def __init__(self, history: MetricHistory) -> None:
        self._history = history

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read = Permission.RUN_READ
        return [
            get(
                "/mlflow/metrics/get-history",
                self.get_history,
                GetHistory,
                History,
                read,
                "Get a metric's points",
            ),
            get(
                "/mlflow/metrics/get-history-bulk",
                self.get_history_bulk,
                GetHistoryBulk,
                HistoryBulk,
                read,
                "Get a metric's points in several runs",
            ),
            get(
                "/mlflow/metrics/get-history-bulk-interval",
                self.get_history_bulk_interval,
                GetHistoryBulkInterval,
                History,
                read,
                "Get a sample of a metric's points in several runs",
            ),
        ]

    async def get_history(self, call: Call) -> History | Response:
        """metrics/get-history: a page, or, without `max_results`, everything in one stream."""
        sent: GetHistory = call.body
        run = wire.run_id(sent.run_id, sent.run_uuid)
        metric = wire.required(sent.metric_key, "metric_key")
        limit = sent.max_results
        if limit is not None and limit <= 0:
            raise _not_positive(limit)
        page = await self._history.page(
            call.principal,
            run,
            metric,
            limit=PIECE if limit is None else min(limit, MAX_PAGE),
            token=sent.page_token or None,
        )
        if limit is None and page.next_token is not None:
            return StreamingResponse(
                self._stream(call, run, metric, page.points, page.next_token), media_type="application/json"
            )
        return History([] if page.points is None else _points_to(metric, page.points), page.next_token)

    async def get_history_bulk(self, call: Call) -> HistoryBulk:
        """metrics/get-history-bulk"""
        sent: GetHistoryBulk = call.body
        run_ids = sent.run_id or []
        if not run_ids:
            raise InvalidArgument(
                "GetMetricHistoryBulk request must specify at least one run_id.", field="run_id"
            )
        if len(run_ids) > MAX_BULK_RUNS:
            raise InvalidArgument(
                f"GetMetricHistoryBulk request cannot specify more than {MAX_BULK_RUNS} run_ids. "
                f"Received {len(run_ids)} run_ids.",
                field="run_id",
            )
        if not sent.metric_key:
            raise InvalidArgument(
                "GetMetricHistoryBulk request must specify a metric_key.", field="metric_key"
            )
        limit = MAX_BULK_POINTS if sent.max_results is None else min(sent.max_results, MAX_BULK_POINTS)
        if limit <= 0:
            raise _not_positive(limit)
        found = await self._history.of_runs(call.principal, run_ids, sent.metric_key, limit=limit)
        return HistoryBulk(_of_runs(sent.metric_key, found))

    async def get_history_bulk_interval(self, call: Call) -> History:
        """metrics/get-history-bulk-interval"""
        sent: GetHistoryBulkInterval = call.body
        run_ids = sent.run_ids or []
        if not run_ids:
            raise wire.missing("run_ids")
        if len(run_ids) > MAX_BULK_RUNS:
            raise InvalidArgument(
                f"GetMetricHistoryBulkInterval request must specify at most {MAX_BULK_RUNS} run_ids. "
                f"Received {len(run_ids)} run_ids.",
                field="run_ids",
            )
        metric = wire.required(sent.metric_key, "metric_key")
        limit = MAX_INTERVAL_POINTS if sent.max_results is None else sent.max_results
        if not 1 <= limit <= MAX_INTERVAL_POINTS:
            raise InvalidArgument(
                f"max_results must be between 1 and {MAX_INTERVAL_POINTS}.", field="max_results"
            )
        steps = _steps(sent.start_step, sent.end_step)
        found = await self._history.sampled(call.principal, run_ids, metric, limit=limit, steps=steps)
        return History(_of_runs(metric, found))

    async def _stream(
        self, call: Call, run: str, metric: str, points: Points | None, token: str | None
    ) -> AsyncIterator[bytes]:
        """One answer of any length, read and sent piece by piece."""
        yield b'{"metrics":'
        opening = b"["
        while points is not None:
            yield opening + _encode(_points_to(metric, points))[1:-1]
            opening = b","
            if token is None:
                break
            page = await self._history.page(call.principal, run, metric, limit=PIECE, token=token)
            points, token = page.points, page.next_token
        yield b"]}"


def _steps(start: int | None, end: int | None) -> tuple[int, int] | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidArgument(
            "If either start step or end step are specified, both must be specified.",
            field="start_step" if start is None else "end_step",
        )
    if start > end:
        raise InvalidArgument(
            f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.",
            field="end_step",
        )
    return start, end


def _of_runs(metric: str, found: list[tuple[str, Points]]) -> list[WireMetric]:
    return [
        WireMetric(metric, wire.number(value), timestamp, step, run)
        for run, points in found
        for value, timestamp, step in _columns(points)
    ]


def _not_positive(max_results: int) -> InvalidArgument:
    return InvalidArgument(
        f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer.",
        field="max_results",
    )


def _columns(points: Points) -> Iterator[tuple[float, int, int]]:
    return zip(points.values.tolist(), points.timestamps.tolist(), points.steps.tolist(), strict=True)


def _points_to(metric: str, points: Points) -> list[Any]:
    values, timestamps, steps = points.values.tolist(), points.timestamps.tolist(), points.steps.tolist()
    return wire.metrics_to(list(map(MetricValue, repeat(metric), values, timestamps, steps)))
