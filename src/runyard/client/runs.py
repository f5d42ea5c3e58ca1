"""Runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from runyard.client import experiments, ids
from runyard.client.address import segment
from runyard.client.experiments import VIEWS, Tag
from runyard.client.http import MLFLOW, NATIVE, Http, Object, native_page, pages

ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})
"""The states that a run doesn't leave by itself."""

# What the server takes in one request.
MOST_AT_ONCE = 10_000


class Metric(msgspec.Struct):
    """A metric's last point; the value may be NaN or infinite, the time is milliseconds since the epoch."""

    key: str
    value: float
    timestamp: int
    step: int = 0


class RunInfo(msgspec.Struct):
    """What a run is. Times are milliseconds since the epoch.

    Attributes:
        status: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        lifecycle_stage: `active`, or `deleted` while it is in the trash.
    """

    run_id: str
    experiment_id: str
    run_name: str = ""
    user_id: str = ""
    status: str = ""
    start_time: int = 0
    end_time: int | None = None
    artifact_uri: str = ""
    lifecycle_stage: str = ""


class RunData(msgspec.Struct):
    """What is logged to a run, each list in the order of its keys."""

    metrics: list[Metric] = []
    params: list[Tag] = []
    tags: list[Tag] = []


class Run(msgspec.Struct):
    """A run."""

    info: RunInfo
    data: RunData


class Column(msgspec.Struct, frozen=True):
    """A column of the runs table.

    Attributes:
        kind: what it shows.
        key: the metric's, param's or tag's key, or the attribute's name.
        summary: of a metric: `last`, `min`, `argmin`, `mean`, ...
    """

    kind: Literal["attribute", "metric", "param", "tag"]
    key: str
    summary: str = "last"


class Keys(msgspec.Struct):
    """The keys that an experiment's runs have, sorted."""

    metrics: list[str] = []
    params: list[str] = []
    tags: list[str] = []


class Count(msgspec.Struct):
    """How many runs there are; with `more`, at least so many."""

    count: int
    more: bool = False


class _Found(msgspec.Struct):
    run: Run


class _Table(msgspec.Struct):
    run_ids: list[str]
    columns: list[list[Any]]
    next_page_token: str | None = None


def get(http: Http, run_id: str) -> Run:
    """A run by its id; it may be in the trash.

    Raises:
        ClientError: see `errors`.
    """
    found: _Found = http.get(f"{MLFLOW}/runs/get", {"run_id": run_id}, kind=_Found)
    data = found.run.data
    for logged in (data.metrics, data.params, data.tags):
        logged.sort(key=_key)
    return found.run


def find(http: Http, run: str) -> Run:
    """A run by its id or by the beginning of it.

    Raises:
        ConfigurationError: several runs' ids begin like this, or it is too short.
        ClientError: see `errors`.
    """
    return get(http, whole_id(http, run))


def whole_id(http: Http, run: str) -> str:
    """A run's id from the beginning of it; what is no beginning, or none of a run's, as it is.

    Raises:
        ConfigurationError: several runs' ids begin like this, or it is too short.
        ClientError: see `errors`.
    """

    def begin_with(begin: str) -> list[str]:
        everywhere = [found.experiment_id for found in experiments.search(http, view="all")[0]]
        rows, _ = table(http, everywhere, [], filter_text=f"run_id LIKE '{begin}%'", view="all", limit=2)
        return [row[0] for row in rows]

    return ids.whole("run", run, begin_with)


def table(
    http: Http,
    experiment_ids: Sequence[str],
    columns: Sequence[Column],
    *,
    filter_text: str = "",
    order_by: Sequence[str] = (),
    view: str = "active",
    limit: int = 0,
) -> tuple[list[list[Any]], bool]:
    """Rows of run id and columns, and whether there are more than `limit` (0: no limit).

    A cell is None where the run has no value, or NaN. Without an order the newest runs come first.

    Raises:
        ClientError: see `errors`.
    """

    def fetch(token: str | None, size: int) -> tuple[list[list[Any]], str | None]:
        body = {
            "experiment_ids": [int(experiment) for experiment in experiment_ids],
            "columns": columns,
            "filter": filter_text,
            "order_by": list(order_by),
            "view": VIEWS[view],
            "limit": size,
            "page_token": token,
        }
        answer: _Table = http.post(f"{NATIVE}/runs/table", body, safe=True, kind=_Table)
        return [
            list(row) for row in zip(answer.run_ids, *answer.columns, strict=True)
        ], answer.next_page_token

    return pages(fetch, limit)


def count(http: Http, experiment_ids: Sequence[str], *, filter_text: str = "", view: str = "active") -> Count:
    """How many runs a filter finds.

    Raises:
        ClientError: see `errors`.
    """
    body = {
        "experiment_ids": [int(experiment) for experiment in experiment_ids],
        "filter": filter_text,
        "view": VIEWS[view],
    }
    found: Count = http.post(f"{NATIVE}/runs/count", body, safe=True, kind=Count)
    return found


def keys(http: Http, experiment_id: str) -> Keys:
    """The keys of an experiment's metrics, params and tags.

    Raises:
        ClientError: see `errors`.
    """
    found: Keys = http.get(f"{NATIVE}/experiments/{experiment_id}/keys", kind=Keys)
    return found


def quotas(http: Http, run_id: str) -> list[Object]:
    """What is used of a run's quotas, as `workspaces.quotas` has them.

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{NATIVE}/runs/{segment(run_id)}/quotas"), 0)[0]


def delete(http: Http, run_id: str) -> None:
    """Move a run to the trash.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{MLFLOW}/runs/delete", {"run_id": run_id})


def restore(http: Http, run_id: str) -> None:
    """Bring a run back from the trash.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{MLFLOW}/runs/restore", {"run_id": run_id})


def delete_older(http: Http, experiment_id: str, start_time: int) -> int:
    """Move an experiment's runs that started up to a time to the trash; returns how many.

    Args:
        http: the server.
        experiment_id: the experiment.
        start_time: in milliseconds since the epoch.

    Raises:
        ClientError: see `errors`; what went until then stays in the trash.
    """
    body = {"experiment_id": experiment_id, "max_timestamp_millis": start_time, "max_runs": MOST_AT_ONCE}
    return _all_of(http, "delete-runs", body, "runs_deleted")


def restore_since(http: Http, experiment_id: str, deleted_time: int) -> int:
    """Bring an experiment's runs that went to the trash since a time back; returns how many.

    Args:
        http: the server.
        experiment_id: the experiment.
        deleted_time: in milliseconds since the epoch.

    Raises:
        ClientError: see `errors`; what came back until then stays.
    """
    body = {"experiment_id": experiment_id, "min_timestamp_millis": deleted_time, "max_runs": MOST_AT_ONCE}
    return _all_of(http, "restore-runs", body, "runs_restored")


def _key(logged: Metric | Tag) -> str:
    return logged.key


def _all_of(http: Http, verb: str, body: Object, counted: str) -> int:
    """Send a request that does a part of the work until there is no more."""
    total = 0
    while True:
        done: dict[str, int] = http.post(f"{MLFLOW}/databricks/runs/{verb}", body, kind=dict[str, int])
        total += done.get(counted, 0)
        if done.get(counted, 0) < MOST_AT_ONCE:
            return total
