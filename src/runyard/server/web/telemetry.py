"""The counters as Prometheus' text. Each server process answers for itself.

This module is imported at the first scrape, since a start doesn't need `prometheus_client`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runyard.server.web.traffic import Counters, Histogram, Traffic

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(counters: Counters) -> bytes:
    """All numbers, and those of the process, in Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry()
    registry.register(_Collector(counters))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        told = self._counters
        yield InfoMetricFamily("runyard_server", "This server process.", value=dict(told.info))
        yield from _requests(told.traffic)
        yield _histogram("runyard_write_group_size", "Mutations in a committed group.", told.groups.sizes)
        yield _histogram("runyard_write_group_seconds", "Time to commit a group.", told.groups.seconds)
        for gauge in told.gauges:
            value = gauge.read()
            if value is not None:
                family = CounterMetricFamily if gauge.grows else GaugeMetricFamily
                yield family(gauge.name, gauge.help, value=value)


def _requests(traffic: Traffic) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "runyard_http_requests", "Answered requests.", labels=("method", "path", "status")
    )
    duration = HistogramMetricFamily(
        "runyard_http_request_seconds", "Time to answer a request.", labels=("method", "path")
    )
    for route in traffic:
        for status, count in tuple(route.statuses.items()):
            requests.add_metric((route.method, route.path, str(status)), count)
        if route.statuses:
            duration.add_metric((route.method, route.path), _buckets(route.seconds), route.seconds.total)
    yield requests
    yield duration


def _histogram(name: str, text: str, counted: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=_buckets(counted), sum_value=counted.total)


def _buckets(counted: Histogram) -> list[tuple[str, float]]:
    """Prometheus' cumulative buckets."""
    total, rows = 0, []
    for bound, count in zip((*map(str, counted.bounds), "+Inf"), counted.counts, strict=True):
        total += count
        rows.append((bound, float(total)))
    return rows
