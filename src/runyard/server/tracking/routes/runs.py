"""`/runs/...`, `/metrics/chart`, and the keys of an experiment's runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from runyard.server.auth import Permission
from runyard.server.metrics.types import Axis, SeriesChart
from runyard.server.tracking.routes.experiments import experiment_id_of
from runyard.server.tracking.service.bulk import RunBulk
from runyard.server.tracking.service.charts import Charts, Line
from runyard.server.tracking.service.quotas import TrackingQuotas
from runyard.server.tracking.service.table import MAX_COUNT, Column, Kind, RunsTable
from runyard.server.tracking.types import Summary, View
from runyard.server.web import Call, Route, get, post
from runyard.server.workspaces.routes import QuotaList, quota_items

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Field = Literal["min", "max", "first", "last", "mean", "n", "nan_count", "x_last"]
DEFAULT_FIELDS: tuple[Field, ...] = ("min", "max", "first", "last", "mean")

_INFINITE = {float("inf"): "Infinity", float("-inf"): "-Infinity"}

# A number; the text "Infinity" or "-Infinity"; null for NaN.
Number = float | str | None


class ChartRequest(msgspec.Struct):
    """Asks for lines.

    Attributes:
        run_ids: the runs.
        keys: the metrics.
        x: the axis: step, time (milliseconds since the epoch) or relative (milliseconds since the run's
            first point among these metrics).
        x_min, x_max: the view; both ends belong to it.
        buckets: the most buckets per line: the pixels that are there.
        fields: which columns the answer holds beside `x`.
    """

    run_ids: list[str]
    keys: list[str]
    x: Axis = "step"
    x_min: Int64 | None = None
    x_max: Int64 | None = None
    buckets: int = 1000
    fields: list[Field] = msgspec.field(default_factory=lambda: list(DEFAULT_FIELDS))


class ChartLine(msgspec.Struct, omit_defaults=True):
    """One metric of one run in columns of equal length, ordered by `x`; no bucket is empty.

    Attributes:
        run_id: the run.
        key: the metric.
        exact: whether every bucket is a single point; then `value` holds them in place of `min` to `mean`.
        x: where a bucket's first point is.
        x_last: where its last point is.
        n: how many points it holds.
        nan_count: how many of them are NaN.
        value: the points, when the line is exact.
        min, max, mean: of the points that aren't NaN; null where there are none.
        first, last: the values of the first and the last point.
    """

    run_id: str
    key: str
    exact: bool
    x: list[int]
    value: list[Number] | None = None
    min: list[Number] | None = None
    max: list[Number] | None = None
    first: list[Number] | None = None
    last: list[Number] | None = None
    mean: list[Number] | None = None
    n: list[int] | None = None
    nan_count: list[int] | None = None
    x_last: list[int] | None = None


class Chart(msgspec.Struct):
    """Lines, run by run in the order asked for; a run without the metric has none."""

    lines: list[ChartLine]


class TableColumn(msgspec.Struct):
    """A column to show.

    Attributes:
        kind: what it shows.
        key: the metric's, param's or tag's key, or the attribute's name.
        summary: of a metric: its last value, its least, the step of its least (`argmin`), ...
    """

    kind: Kind
    key: str
    summary: Summary = "last"


class TableRequest(msgspec.Struct):
    """Asks for a page of the runs table; filter and order as in MLflow's runs/search."""

    experiment_ids: list[Int64]
    columns: list[TableColumn] = []
    filter: str = ""
    order_by: list[str] = []
    view: View = View.ACTIVE_ONLY
    limit: int = 100
    page_token: str | None = None


class RunsPage(msgspec.Struct):
    """Rows, column by column.

    Attributes:
        run_ids: the rows.
        columns: per column asked for, a value per row; null where there is none, or NaN.
        next_page_token: null on the last page.
    """

    run_ids: list[str]
    columns: list[list[Number | int]]
    next_page_token: str | None


class CountRequest(msgspec.Struct):
    """Asks how many runs a filter finds."""

    experiment_ids: list[Int64]
    filter: str = ""
    view: View = View.ACTIVE_ONLY


class RunsCount(msgspec.Struct):
    """How many runs there are; with `more`, at least so many."""

    count: int
    more: bool


class NoBody(msgspec.Struct):
    """A request that its address says all about."""


class KeysFound(msgspec.Struct):
    """The keys that an experiment's runs have, sorted."""

    metrics: list[str]
    params: list[str]
    tags: list[str]


class RunIds(msgspec.Struct):
    """Names runs, up to 10,000."""

    run_ids: list[str]


class RunsDeleted(msgspec.Struct):
    """How many runs were active and are in the trash now."""

    runs_deleted: int


class RunsRestored(msgspec.Struct):
    """How many runs were in the trash and are active now."""

    runs_restored: int


class TrackingRoutes:
    """Handlers of `/api/runyard/1/...`."""

    def __init__(
        self,
        charts: Charts,
        table: RunsTable,
        bulk: RunBulk,
        quotas: TrackingQuotas,
    ) -> None:
        self._charts = charts
        self._table = table
        self._bulk = bulk
        self._quotas = quotas

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        return [
            post(
                "/api/runyard/1/metrics/chart",
                self.chart,
                ChartRequest,
                Chart,
                Permission.RUN_READ,
                "Lines of many metrics in many runs, reduced to the pixels asked for",
            ),
            post(
                "/api/runyard/1/runs/table",
                self.runs_table,
                TableRequest,
                RunsPage,
                Permission.RUN_READ,
                "A page of runs with the columns asked for",
            ),
            post(
                "/api/runyard/1/runs/count",
                self.count,
                CountRequest,
                RunsCount,
                Permission.RUN_READ,
                "How many runs a filter finds",
            ),
            post(
                "/api/runyard/1/runs/delete",
                self.delete_runs,
                RunIds,
                RunsDeleted,
                Permission.RUN_DELETE,
                "Move many runs to the trash",
            ),
            post(
                "/api/runyard/1/runs/restore",
                self.restore_runs,
                RunIds,
                RunsRestored,
                Permission.RUN_DELETE,
                "Bring many runs back from the trash",
            ),
            get(
                "/api/runyard/1/experiments/{experiment_id}/keys",
                self.keys,
                NoBody,
                KeysFound,
                Permission.RUN_READ,
                "The keys of an experiment's metrics, params and tags",
            ),
            *self._quota_routes(),
        ]

    def _quota_routes(self) -> list[Route]:
        return [
            get(
                "/api/runyard/1/experiments/{experiment_id}/quotas",
                self.experiment_quotas,
                NoBody,
                QuotaList,
                Permission.RUN_READ,
                "The quotas of an experiment",
            ),
            get(
                "/api/runyard/1/runs/{run_id}/quotas",
                self.run_quotas,
                NoBody,
                QuotaList,
                Permission.RUN_READ,
                "The quotas of a run",
            ),
        ]

    async def runs_table(self, call: Call) -> RunsPage:
        """runs/table"""
        sent: TableRequest = call.body
        found = await self._table.page(
            call.principal,
            [Column(column.kind, column.key, column.summary) for column in sent.columns],
            experiment_ids=sent.experiment_ids,
            filter_text=sent.filter,
            order_by=sent.order_by,
            view=sent.view,
            limit=sent.limit,
            token=sent.page_token,
        )
        return RunsPage(found.run_ids, [_finite(values) for values in found.columns], found.next_token)

    async def count(self, call: Call) -> RunsCount:
        """runs/count"""
        sent: CountRequest = call.body
        count = await self._table.count(
            call.principal, experiment_ids=sent.experiment_ids, filter_text=sent.filter, view=sent.view
        )
        return RunsCount(min(count, MAX_COUNT), count > MAX_COUNT)

    async def delete_runs(self, call: Call) -> RunsDeleted:
        """runs/delete"""
        return RunsDeleted(await self._bulk.delete(call.principal, call.body.run_ids))

    async def restore_runs(self, call: Call) -> RunsRestored:
        """runs/restore"""
        return RunsRestored(await self._bulk.restore(call.principal, call.body.run_ids))

    async def keys(self, call: Call) -> KeysFound:
        """experiments/{experiment_id}/keys"""
        found = await self._table.keys(call.principal, experiment_id_of(call))
        return KeysFound(found.metrics, found.params, found.tags)

    async def experiment_quotas(self, call: Call) -> QuotaList:
        """experiments/{experiment_id}/quotas"""
        found = await self._quotas.of_experiment(call.principal, experiment_id_of(call))
        return QuotaList(quota_items(found))

    async def run_quotas(self, call: Call) -> QuotaList:
        """runs/{run_id}/quotas"""
        return QuotaList(quota_items(await self._quotas.of_run(call.principal, call.path["run_id"])))

    async def chart(self, call: Call) -> Response:
        """metrics/chart"""
        sent: ChartRequest = call.body
        lines = await self._charts.lines(
            call.principal,
            sent.run_ids,
            sent.keys,
            axis=sent.x,
            buckets=sent.buckets,
            x_min=sent.x_min,
            x_max=sent.x_max,
        )
        # Many lines take a while to write: off the event loop.
        content = await asyncio.to_thread(_chart_json, lines, sent.fields)
        return Response(content, media_type="application/json")


def _chart_json(lines: list[Line], fields: list[Field]) -> bytes:
    """A `Chart`, line by line: its numbers all at once as objects would be ten times the text."""
    encode = msgspec.json.Encoder().encode
    parts = [encode(_line(line.run, line.key, line.chart, fields)) for line in lines]
    return b'{"lines":[' + b",".join(parts) + b"]}"


def _line(run: str, key: str, chart: SeriesChart, fields: list[Field]) -> ChartLine:
    buckets = chart.buckets
    line = ChartLine(run, key, chart.exact, buckets.x.tolist())
    if chart.exact:
        line.value = _numbers(buckets.last)
        return line
    for name in fields:
        column = getattr(buckets, name)
        setattr(line, name, _numbers(column) if column.dtype.kind == "f" else column.tolist())
    return line


def _finite(values: list[Any]) -> list[Any]:
    """Values as JSON can hold them."""
    return [_INFINITE.get(x, x) if isinstance(x, float) else x for x in values]


def _numbers(column: Any) -> list[Number]:
    """A column as JSON can hold it; the encoder writes NaN as null itself."""
    numbers: list[Number] = column.tolist()
    return _finite(numbers) if any(infinite in numbers for infinite in _INFINITE) else numbers
