"""Histories of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from runyard.client.http import MLFLOW, NATIVE, Http, Query

PAGE = 50_000


class Point(msgspec.Struct):
    """A point; the value may be NaN or infinite, the time is in milliseconds since the epoch."""

    value: float
    timestamp: int
    step: int = 0


class _History(msgspec.Struct):
    metrics: list[Point] = []
    next_page_token: str | None = None


def history(http: Http, run_id: str, key: str) -> Iterator[list[Point]]:
    """All points of a run's metric, in the order of their times, page by page; none where there are none.

    Raises:
        ClientError: see `errors`.
    """
    token: str | None = None
    while True:
        query: Query = {"run_id": run_id, "metric_key": key, "max_results": PAGE, "page_token": token}
        page: _History = http.get(f"{MLFLOW}/metrics/get-history", query, kind=_History)
        if page.metrics:
            yield page.metrics
        token = page.next_page_token
        if not token:
            return


class Line(msgspec.Struct):
    """A metric of a run in columns of equal length, one entry per bucket of points; NaN is left out.

    Attributes:
        exact: whether every bucket is a single point; then `value` holds them in place of the others.
        x: where a bucket's first point is.
    """

    run_id: str
    key: str
    exact: bool
    x: list[int]
    value: list[float | None] | None = None
    min: list[float | None] | None = None
    max: list[float | None] | None = None
    first: list[float | None] | None = None
    last: list[float | None] | None = None


class _Chart(msgspec.Struct):
    lines: list[Line] = []


def chart(http: Http, run_ids: Sequence[str], keys: Sequence[str], *, x: str, buckets: int) -> list[Line]:
    """Metrics of runs, reduced to so many buckets; a run without the metric has no line.

    Args:
        http: the server.
        run_ids: the runs.
        keys: the metrics.
        x: the axis: `step`, `time` (milliseconds since the epoch), or `relative` (milliseconds since the
            run's first point).
        buckets: the most per line.

    Raises:
        ClientError: see `errors`.
    """
    fields = ["min", "max", "first", "last"]
    body = {"run_ids": run_ids, "keys": keys, "x": x, "buckets": buckets, "fields": fields}
    found: _Chart = http.post(f"{NATIVE}/metrics/chart", body, safe=True, kind=_Chart)
    return found.lines
