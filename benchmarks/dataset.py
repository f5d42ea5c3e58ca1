"""What is stored before anything is read: `RUNS` runs in one experiment, and one long series.

Everything goes through HTTP, with the same requests to every server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.payloads import RUN_TAGS, fields_of_run, new_run, slice_of_series
from benchmarks.wire import Address, Client

RUNS = 3_000
SERIES_KEY = "loss"
SERIES_POINTS = 25_000
_BATCH = 1_000
_CONNECTIONS = 8


@dataclass(frozen=True)
class Dataset:
    """Where the stored runs and the series are on one server."""

    experiment_id: str
    run_ids: tuple[str, ...]
    series_run_id: str
    failures: int


def load(address: Address) -> Dataset:
    """Stores the runs over several connections, then the series. Raises as `Client.send` does."""
    experiment_id = new_experiment(address, "stored")
    loaders = [_Loader(address, experiment_id) for _ in range(_CONNECTIONS)]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        shares = [range(first, RUNS, _CONNECTIONS) for first in range(_CONNECTIONS)]
        loaded = list(pool.map(_Loader.store_runs, loaders, shares))
    with Client(address) as client:
        series_run_id = _create(client, new_run(experiment_id, RUNS))
        for first in range(0, SERIES_POINTS, _BATCH):
            client.post("runs/log-batch", slice_of_series(series_run_id, SERIES_KEY, first, _BATCH))
        failures = client.failures + sum(loader.failures for loader in loaders)
    return Dataset(experiment_id, tuple(itertools.chain(*loaded)), series_run_id, failures)


def new_experiment(address: Address, name: str) -> str:
    """Creates an experiment of this name and returns its id."""
    with Client(address) as client:
        experiment_id: str = client.post("experiments/create", {"name": name})["experiment_id"]
        return experiment_id


def new_runs(address: Address, experiment_id: str, count: int) -> list[str]:
    """Creates empty runs and returns their ids."""
    with Client(address) as client:
        return [_create(client, new_run(experiment_id, number)) for number in range(count)]


def count_points(address: Address, run_id: str, key: str) -> int:
    """How many points a series has, page by page."""
    count = 0
    token = ""
    with Client(address) as client:
        while True:
            query = history_query(run_id, key) | ({"page_token": token} if token else {})
            page = client.get("metrics/get-history", query)
            count += len(page.get("metrics", []))
            token = page.get("next_page_token", "")
            if not token:
                return count


def history_query(run_id: str, key: str) -> dict[str, str | int]:
    """The query of `metrics/get-history` for a series, a page as long as the stored series."""
    return {"run_id": run_id, "metric_key": key, "max_results": SERIES_POINTS}


class _Loader:
    def __init__(self, address: Address, experiment_id: str) -> None:
        self._client = Client(address)
        self._experiment_id = experiment_id

    @property
    def failures(self) -> int:
        return self._client.failures

    def store_runs(self, numbers: Iterable[int]) -> list[str]:
        with self._client as client:
            return [self._store_run(client, number) for number in numbers]

    def _store_run(self, client: Client, number: int) -> str:
        run_id = _create(client, new_run(self._experiment_id, number, tags=RUN_TAGS - 3))
        client.post("runs/log-batch", fields_of_run(run_id, number))
        return run_id


def _create(client: Client, body: object) -> str:
    run_id: str = client.post("runs/create", body)["run"]["info"]["run_id"]
    return run_id
