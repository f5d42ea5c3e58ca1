"""The rows of the table: what each sends, at how many connections, and what it aims at.

Reads are timed at one connection; further rows, without a target, time them with quick acknowledgements
and drive them at several connections. Each read checks an answer before it measures, so that no server is
praised for answering something else; the rows of points count afterwards what was stored.
"""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from benchmarks.dataset import (
    RUNS,
    SERIES_KEY,
    SERIES_POINTS,
    Dataset,
    count_points,
    history_query,
    new_experiment,
    new_runs,
)
from benchmarks.load import Load, Source, TimeBox, drive, time_one
from benchmarks.payloads import (
    BATCH_STEPS,
    RUN_FIELDS,
    RUN_TAGS,
    batch_source,
    create_source,
    get_source,
    point_source,
)
from benchmarks.wire import Address, Client, get, post

WRITERS = 32
BATCH_WRITERS = 8
CREATORS = 8  # at 32, `mlflow server` on SQLite at times waits 30 s for its own connection pool
_LONGEST_DRIVEN = 15.0  # reads at several connections have no target: 15 s at most

Unit = Literal["requests/s", "ms", "s", "MB"]


class WrongAnswerError(Exception):
    """A server answered 2xx with something other than what was stored."""


@dataclass(frozen=True)
class Target:
    """How many times better than a peer Runyard is to be; `aim` is what it strives for."""

    least: float
    aim: float | None = None


@dataclass(frozen=True)
class Figure:
    """What one server reached in one row, in the row's unit."""

    value: float
    samples: int = 1
    failures: int = 0
    first_failure: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A running server to measure; `dataset` is what has been stored on it."""

    address: Address
    dataset: Dataset | None

    @property
    def stored(self) -> Dataset:
        """The dataset, for rows that read it."""
        if self.dataset is None:
            raise ValueError("this row reads stored runs, and none were loaded")
        return self.dataset


_Prepare = Callable[[Address, Dataset], Source]
_Measure = Callable[[Subject, TimeBox], Figure]


@dataclass(frozen=True)
class Row:
    """One line of the table. `limit` is what Runyard's own figure must stay under, in the unit.

    Rows without `measure` are filled in by the run itself: the start and the memory.
    """

    name: str
    title: str
    unit: Unit
    targets: Mapping[str, Target] = field(default_factory=dict)
    limit: float | None = None
    measure: _Measure | None = None
    reads: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether a greater figure is the better one."""
        return self.unit == "requests/s"


def log_metric(subject: Subject, box: TimeBox) -> Figure:
    """One point a request; every connection has its own run."""
    run_ids = new_runs(subject.address, new_experiment(subject.address, "log-metric"), WRITERS)
    load = drive(subject.address, [point_source(subject.address, run_id) for run_id in run_ids], box)
    _check_stored(subject.address, run_ids[0], "loss", load.acknowledged[0], load)
    return _rate(load)


def log_batch(subject: Subject, box: TimeBox) -> Figure:
    """1,000 points a request; every connection has its own run."""
    run_ids = new_runs(subject.address, new_experiment(subject.address, "log-batch"), BATCH_WRITERS)
    load = drive(subject.address, [batch_source(subject.address, run_id) for run_id in run_ids], box)
    _check_stored(subject.address, run_ids[0], "metric_07", load.acknowledged[0] * BATCH_STEPS, load)
    return _rate(load)


def create_run(subject: Subject, box: TimeBox) -> Figure:
    """New runs in one experiment."""
    experiment_id = new_experiment(subject.address, "create-run")
    return _rate(drive(subject.address, [create_source(subject.address, experiment_id)] * CREATORS, box))


def _get_run(address: Address, dataset: Dataset) -> Source:
    source = get_source(address, dataset.run_ids)
    data = _first_answer(address, source)["run"]["data"]
    _check(_sizes(data), (RUN_FIELDS, RUN_FIELDS), "params and metrics of a run")
    own = [tag for tag in data["tags"] if tag["key"].startswith(("tag_", "mlflow.user", "mlflow.source.t"))]
    _check(len(own) >= RUN_TAGS - 1, True, "tags of a run")  # a server may replace mlflow.source.name
    return source


def _search_filtered(address: Address, dataset: Dataset) -> Source:
    body = {
        "experiment_ids": [dataset.experiment_id],
        "filter": "metrics.metric_0 > 0.5 and params.param_0 = '3'",
        "order_by": ["metrics.metric_1 DESC"],
        "max_results": 100,
    }
    source = _always(post(address, "runs/search", body))
    runs = _first_answer(address, source)["runs"]
    values = [_value(run, "metric_1") for run in runs]
    _check(len(runs), 100, "runs found")
    _check(values, sorted(values, reverse=True), "order of the runs")
    return source


def _search_page(address: Address, dataset: Dataset) -> Source:
    body = {"experiment_ids": [dataset.experiment_id], "max_results": 1000}
    source = _always(post(address, "runs/search", body))
    runs = _first_answer(address, source)["runs"]
    _check(len(runs), 1000, "runs on the page")
    _check(_sizes(runs[-1]["data"]), (RUN_FIELDS, RUN_FIELDS), "params and metrics of a run")
    return source


def _history(address: Address, dataset: Dataset) -> Source:
    source = _always(get(address, "metrics/get-history", history_query(dataset.series_run_id, SERIES_KEY)))
    steps = [int(point.get("step", 0)) for point in _first_answer(address, source)["metrics"]]
    _check(steps, list(range(SERIES_POINTS)), "steps of the series")
    return source


def _timed(prepare: _Prepare, *, quick_ack: bool = False) -> _Measure:
    def measure(subject: Subject, box: TimeBox) -> Figure:
        source = prepare(subject.address, subject.stored)
        return _median(time_one(subject.address, source, box, quick_ack=quick_ack))

    return measure


def _driven(prepare: _Prepare, connections: int) -> _Measure:
    def measure(subject: Subject, box: TimeBox) -> Figure:
        source = prepare(subject.address, subject.stored)
        box = replace(box, longest=min(box.longest, _LONGEST_DRIVEN))
        return _rate(drive(subject.address, [source] * connections, box))

    return measure


@dataclass(frozen=True)
class _Read:
    """A read, timed at one connection (judged) and otherwise (for the reader)."""

    name: str
    title: str
    prepare: _Prepare
    targets: Mapping[str, Target]
    connections: int = 8

    def timed(self) -> Row:
        title = f"{self.title}; median at one connection"
        return Row(self.name, title, "ms", self.targets, measure=_timed(self.prepare), reads=True)

    def acknowledged(self) -> Row:
        title = f"{self.title}; the same, each segment acknowledged at once"
        measure = _timed(self.prepare, quick_ack=True)
        return Row(f"{self.name}-quick-ack", title, "ms", measure=measure, reads=True)

    def driven(self) -> Row:
        title = f"{self.title}; {self.connections} connections"
        measure = _driven(self.prepare, self.connections)
        return Row(f"{self.name}-many", title, "requests/s", measure=measure, reads=True)


_GET_RUN = _Read(
    "get-run",
    "get run with 25 attributes",
    _get_run,
    {"mlflow": Target(80), "fasttrackml": Target(1.5)},
    connections=32,
)
_SEARCH_FILTER = _Read(
    "search-filter",
    f"search: metric and param filter, ordered by a metric, 100 of {RUNS:,} runs",
    _search_filtered,
    {"mlflow": Target(20), "fasttrackml": Target(2)},
)
_SEARCH_PAGE = _Read(
    "search-page",
    "search: a page of 1,000 runs with 10 params and 10 metrics",
    _search_page,
    {"mlflow": Target(20), "fasttrackml": Target(2)},
)
_HISTORY = _Read(
    "history",
    f"metric history: a page of {SERIES_POINTS:,} points",
    _history,
    {"mlflow": Target(20), "fasttrackml": Target(5)},
)
_READS = (_GET_RUN, _SEARCH_FILTER, _SEARCH_PAGE, _HISTORY)

START = Row("start", "time to first answered request", "s", {"mlflow": Target(10)}, limit=1.0)
MEMORY_IDLE = Row("memory-idle", "memory of all processes, idle", "MB", limit=100.0)
MEMORY_LOADED = Row("memory-loaded", "memory of all processes, after all this load", "MB", limit=200.0)

ROWS: tuple[Row, ...] = (
    Row(
        "log-metric",
        f"`log-metric`, one point a request, {WRITERS} connections",
        "requests/s",
        {"mlflow": Target(50, 80), "fasttrackml": Target(3, 5)},
        measure=log_metric,
    ),
    Row(
        "log-batch",
        f"`log-batch` of 1,000 points over 50 keys, {BATCH_WRITERS} connections",
        "requests/s",
        {"mlflow": Target(80), "fasttrackml": Target(20)},
        measure=log_batch,
    ),
    Row(
        "create-run",
        f"create run, {CREATORS} connections",
        "requests/s",
        {"mlflow": Target(40), "fasttrackml": Target(2)},
        measure=create_run,
    ),
    *(read.timed() for read in _READS),
    START,
    MEMORY_IDLE,
    MEMORY_LOADED,
    # Without targets: what the judged rows leave out.
    *((_GET_RUN.acknowledged(), _SEARCH_FILTER.acknowledged()) if hasattr(socket, "TCP_QUICKACK") else ()),
    *(read.driven() for read in _READS),
)


def _rate(load: Load) -> Figure:
    return Figure(load.rate, load.requests, load.failures, load.first_failure, _detail(load))


def _median(load: Load) -> Figure:
    median = load.quantile(0.5) * 1000
    return Figure(median, load.requests, load.failures, load.first_failure, _detail(load))


def _detail(load: Load) -> dict[str, float]:
    return {
        "seconds": round(load.seconds, 3),
        "p50_ms": round(load.quantile(0.5) * 1000, 4),
        "p99_ms": round(load.quantile(0.99) * 1000, 4),
        "generator_share_of_a_core": round(load.generator, 3),
    }


def _always(request: bytes) -> Source:
    return itertools.repeat(request).__next__


def _first_answer(address: Address, source: Source) -> Any:
    with Client(address) as client:
        return json.loads(client.send(source()))


def _sizes(data: Mapping[str, Any]) -> tuple[int, int]:
    return len(data["params"]), len(data["metrics"])


def _value(run: Mapping[str, Any], key: str) -> float:
    return next(float(metric["value"]) for metric in run["data"]["metrics"] if metric["key"] == key)


def _check(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise WrongAnswerError(f"{what}: expected {expected!r:.200}, found {found!r:.200}")


def _check_stored(address: Address, run_id: str, key: str, acknowledged: int, load: Load) -> None:
    """Everything acknowledged is there, once; a request that failed may have been stored all the same."""
    stored = count_points(address, run_id, key)
    if stored < acknowledged or (load.failures == 0 and stored != acknowledged):
        raise WrongAnswerError(f"{acknowledged} points were acknowledged and {stored} are stored")
