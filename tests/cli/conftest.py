"""The command line against a server that runs as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runyard.cli.main import main
from tests.server.process import Process

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server without login, on SQLite, for all tests of this suite: each makes its own things."""
    folder = tmp_path_factory.mktemp("server")
    process = Process(folder / "server.log", "--data", str(folder / "data"))
    try:
        process.wait_until_it_answers()
        yield process
    finally:
        process.end()


@pytest.fixture
def environment(tmp_path: Path, server: Process) -> dict[str, str | None]:
    """What the command finds in its environment: nothing of whoever runs the tests."""
    foreign = [name for name in os.environ if name.startswith(("RUNYARD_", "MLFLOW_"))]
    return {
        **dict.fromkeys(foreign),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "RUNYARD_URL": server.url,
    }


@pytest.fixture
def run(environment: dict[str, str | None]) -> Run:
    """Calls the command in this process; the result has `stdout`, `stderr` and `exit_code`."""

    def call(*words: str, input: str | None = None, **more: str) -> Result:
        return CliRunner().invoke(main, list(words), input=input, env={**environment, **more})

    return call


class Farm:
    """Makes things on the server, by plain requests."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self._count = 0

    def experiment(self, name: str) -> str:
        """A new experiment; returns its id."""
        found: str = self._server.post("experiments/create", {"name": name})["experiment_id"]
        return found

    def run(
        self, experiment_id: str, name: str = "try", *, ended: str | None = "FINISHED", **data: Any
    ) -> str:
        """A run with metrics (values, or lists of them), params and tags; returns its id."""
        start = int(time.time() * 1000) - 60_000 + self._count
        self._count += 1
        body = {"experiment_id": experiment_id, "run_name": name, "start_time": start}
        run_id: str = self._server.post("runs/create", body)["run"]["info"]["run_id"]
        pairs = {
            kind: [{"key": key, "value": value} for key, value in data.get(kind, {}).items()]
            for kind in ("params", "tags")
        }
        self._server.post("runs/log-batch", {"run_id": run_id, "metrics": _points(data, start), **pairs})
        if ended:
            self.end(run_id, ended, start + 61_000)
        return run_id

    def log(self, run_id: str, key: str, value: float, step: int) -> None:
        """A point of a metric."""
        point = {"run_id": run_id, "key": key, "value": value, "timestamp": 1, "step": step}
        self._server.post("runs/log-metric", point)

    def end(self, run_id: str, status: str, at: int = 1) -> None:
        """Ends a run."""
        self._server.post("runs/update", {"run_id": run_id, "status": status, "end_time": at})

    def status(self, run_id: str) -> str:
        """A run's status."""
        found: str = self._server.get(f"/api/2.0/mlflow/runs/get?run_id={run_id}")["run"]["info"]["status"]
        return found


@pytest.fixture(scope="session")
def farm(server: Process) -> Farm:
    """Makes things on the server."""
    return Farm(server)


def read_csv(text: str) -> list[dict[str, str]]:
    """Rows of CSV by their columns."""
    return list(csv.DictReader(io.StringIO(text)))


def read_json(result: Result) -> Any:
    """The JSON that a command wrote."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _points(data: dict[str, Any], start: int) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": value, "timestamp": start + step, "step": step}
        for key, values in data.get("metrics", {}).items()
        for step, value in enumerate(values if isinstance(values, list) else [values])
    ]
