"""The native HTTP interface of the tracking slice: what MLflow's has no endpoint for."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

import msgspec

from runyard.server.auth import Permission
from runyard.server.metrics.types import Axis, SeriesChart
from runyard.server.tracking.service.charts import Charts
from runyard.server.web import Call, Route, post

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Field = Literal["min", "max", "first", "last", "mean", "n", "nan_count", "x_last"]
DEFAULT_FIELDS: tuple[Field, ...] = ("min", "max", "first", "last", "mean")

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


class TrackingRoutes:
    """Handlers of `/api/runyard/1/...`."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts

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
            )
        ]

    async def chart(self, call: Call) -> Chart:
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
        return Chart([_line(line.run, line.key, line.chart, sent.fields) for line in lines])


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


def _numbers(column: Any) -> list[Number]:
    """A column as JSON can hold it; the encoder writes NaN as null itself."""
    numbers: list[Number] = column.tolist()
    if isfinite(column.sum()):
        return numbers
    infinite = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
    return [infinite.get(x, x) if isinstance(x, float) else x for x in numbers]
