"""The demo against a real server: interrupted, taken up again, called once more, begun anew.

Each stage goes on from the server that the one before it left; each keeps what it saw, so that the tests
may run in any order.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("demo")

RUNYARD = str(Path(sys.executable).parent / "runyard")
EXPERIMENTS = ("/Shared/demo/diabetes", "/Shared/demo/breast-cancer")
POINTS = 8  # of the quick sweep
CANDIDATES = 4  # of the quick grid search
STEPS = 13  # the points, the sweep, its best model, the failure, the search and the network
EPOCHS = 200


@dataclass(frozen=True)
class Seen:
    """A call of the demo: how it ended, and all runs on the server right after it, by experiment."""

    code: int
    output: str
    errors: str
    runs: dict[str, list[dict[str, Any]]]
    files: list[str] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.output)
        return read

    def named(self, name: str) -> dict[str, Any]:
        """The one run outside the trash with this name."""
        (run,) = [
            run for run in self.active() if run["info"]["run_name"] == name and _status(run) != "KILLED"
        ]
        return run

    def active(self) -> list[dict[str, Any]]:
        return [
            run for runs in self.runs.values() for run in runs if run["info"]["lifecycle_stage"] == "active"
        ]

    def statuses(self) -> Counter[str]:
        return Counter(map(_status, self.active()))


class Server:
    """A Runyard server in a process of its own, and what a client asks it."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [RUNYARD, "server", "--port", "0", "--data", str(folder / "data")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        output = self._process.stdout
        assert output is not None
        line = next(line for line in output if "is running at" in line)
        self.url = line.split()[-1]
        self._http = httpx.Client(base_url=self.url, timeout=30)

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.communicate(timeout=30)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self._http.get(f"/api/2.0/mlflow/{path}", params=query).raise_for_status()
        read: dict[str, Any] = answer.json()
        return read

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """All runs, those in the trash too."""
        found = self.get("experiments/get-by-name", experiment_name=experiment)
        question = {
            "experiment_ids": [found["experiment"]["experiment_id"]],
            "run_view_type": "ALL",
            "max_results": 1000,
        }
        answer = self._http.post("/api/2.0/mlflow/runs/search", json=question).raise_for_status()
        runs: list[dict[str, Any]] = answer.json().get("runs", [])
        return runs

    def logged_models(self, experiment_id: str) -> list[dict[str, Any]]:
        question = {"experiment_ids": [experiment_id]}
        answer = self._http.post("/api/2.0/mlflow/logged-models/search", json=question).raise_for_status()
        models: list[dict[str, Any]] = answer.json()["models"]
        return models

    def artifact(self, uri: str, path: str) -> bytes:
        """An artifact's bytes, by way of the server's proxy."""
        assert uri.startswith("mlflow-artifacts:/")
        root = uri.removeprefix("mlflow-artifacts:").lstrip("/")
        answer = self._http.get(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}").raise_for_status()
        return answer.content


class Caller:
    """Calls the demo as a user with an MLflow configuration of their own would."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder / "work"
        self._folder.mkdir()
        self._environment = os.environ | {
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "MLFLOW_RUN_ID": "0" * 32,
            "MLFLOW_EXPERIMENT_NAME": "the user's own",
        }

    def call(self, *options: str, interrupt_at: str | None = None) -> Seen:
        """Runs `runyard demo`; sends Ctrl-C when a line of progress holds `interrupt_at`."""
        process = subprocess.Popen(
            [RUNYARD, "demo", "--url", self._server.url, "--quick", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=self._environment,
        )
        assert process.stderr is not None
        progress = io.StringIO()
        if interrupt_at is not None:
            for line in process.stderr:
                progress.write(line)
                if interrupt_at in line:
                    process.send_signal(signal.SIGINT)
                    break
        output, errors = process.communicate(timeout=300)
        return Seen(
            code=process.returncode,
            output=output,
            errors=progress.getvalue() + errors,
            runs={name: self._server.runs(name) for name in EXPERIMENTS},
            files=[path.name for path in self._folder.iterdir()],
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def caller(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    return Caller(server, tmp_path_factory.mktemp("caller"))


@pytest.fixture(scope="module")
def interrupted(caller: Caller) -> Seen:
    """The first call, stopped by Ctrl-C while it trains the last point of the sweep."""
    return caller.call(interrupt_at="sgd")


@pytest.fixture(scope="module")
def completed(caller: Caller, interrupted: Seen) -> Seen:
    assert interrupted.code
    return caller.call("--output", "json")


@pytest.fixture(scope="module")
def repeated(caller: Caller, completed: Seen) -> Seen:
    assert completed.code == 0, completed.errors
    return caller.call("--output", "json")


@pytest.fixture(scope="module")
def anew(caller: Caller, repeated: Seen) -> Seen:
    """The call with --force, stopped at its first run."""
    assert repeated.code == 0, repeated.errors
    return caller.call("--force", "--yes", interrupt_at="ridge")


def test_ctrl_c_leaves_no_run_running(interrupted: Seen) -> None:
    assert interrupted.code == 130, interrupted.errors
    killed = {run["info"]["run_name"] for run in interrupted.active() if _status(run) == "KILLED"}
    assert killed == {"sweep", "sgd, epochs=200, eta0=0.001"}
    assert interrupted.statuses() == {"FINISHED": POINTS - 1, "KILLED": 2}
    assert "Traceback" not in interrupted.errors


def test_the_next_call_trains_only_what_is_missing(interrupted: Seen, completed: Seen) -> None:
    assert completed.code == 0, completed.errors
    assert completed.summary["steps_found"] == POINTS - 1
    assert completed.summary["steps_trained"] == STEPS - (POINTS - 1)
    kept = {_id(run) for run in interrupted.active()}
    assert kept <= {_id(run) for run in completed.active()}


def test_every_run_has_its_status(completed: Seen) -> None:
    # The sweep went on in its run; the killed point was trained again in another.
    assert completed.statuses() == {"FINISHED": STEPS - 1 + CANDIDATES, "FAILED": 1, "KILLED": 1}
    for experiment in completed.summary["experiments"]:
        assert experiment["runs"] == sum(experiment["statuses"].values())
        assert experiment["runs"] == len(completed.runs[experiment["name"]])


def test_a_second_call_changes_nothing(completed: Seen, repeated: Seen) -> None:
    assert repeated.code == 0, repeated.errors
    assert (repeated.summary["steps_found"], repeated.summary["steps_trained"]) == (STEPS, 0)
    assert repeated.runs == completed.runs


def test_force_moves_the_old_runs_to_the_trash(repeated: Seen, anew: Seen) -> None:
    assert anew.code == 130, anew.errors
    old = {_id(run) for run in repeated.active()}
    trash = {
        _id(run) for runs in anew.runs.values() for run in runs if run["info"]["lifecycle_stage"] == "deleted"
    }
    assert trash == old
    assert anew.statuses() == {"KILLED": 2}


def test_progress_is_a_line_per_run_off_a_terminal(completed: Seen) -> None:
    lines = [line for line in completed.errors.splitlines() if line.startswith("[")]
    assert len(lines) == completed.summary["steps_trained"]
    assert lines[-1].startswith("[6/6]")


def test_the_sweep_nests_its_points(completed: Seen) -> None:
    sweep = completed.named("sweep")
    nested = [run for run in completed.active() if _tags(run).get("mlflow.parentRunId") == _id(sweep)]
    finished = [run for run in nested if _status(run) == "FINISHED"]
    assert len(finished) == POINTS
    best = min(_metrics(run)["validation_rmse"] for run in finished)
    assert _metrics(sweep)["best_validation_rmse"] == best
    assert 45 < best < 65  # whoever predicts the mean is at 72
    assert completed.summary["experiments"][0]["best"]["value"] == best


def test_losses_are_there_for_every_epoch(server: Server, completed: Seen) -> None:
    run = completed.named("sgd, epochs=200, eta0=0.001")
    for key in ("train_loss", "validation_loss"):
        history = server.get("metrics/get-history", run_id=_id(run), metric_key=key)["metrics"]
        assert [int(point["step"]) for point in history] == list(range(1, EPOCHS + 1))
        assert history[-1]["value"] < history[0]["value"]


def test_the_best_model_was_autologged(server: Server, completed: Seen) -> None:
    (run,) = [run for run in completed.active() if run["info"]["run_name"].startswith("best model")]
    assert _tags(run)["estimator_class"] == "sklearn.pipeline.Pipeline"  # only autologging sets it
    assert 45 < _metrics(run)["test_rmse"] < 65
    (model,) = [
        model
        for model in server.logged_models(run["info"]["experiment_id"])
        if model["info"].get("source_run_id") == _id(run)
    ]
    assert model["info"]["status"] == "LOGGED_MODEL_READY"
    described = server.artifact(model["info"]["artifact_uri"], "MLmodel").decode()
    assert "signature:" in described
    assert "saved_input_example_info:" in described
    judged = {metric["key"] for metric in model["data"]["metrics"]}
    assert {"test_rmse", "test_mae", "test_r2"} <= judged


def test_figures_and_tables_came_through_the_proxy(server: Server, completed: Seen) -> None:
    (run,) = [run for run in completed.active() if run["info"]["run_name"].startswith("best model")]
    table = json.loads(server.artifact(run["info"]["artifact_uri"], "predictions.json"))
    assert {"patient", "actual", "predicted", "error"} <= set(table["columns"])
    assert len(table["data"]) == 89
    images = {
        "best": (run, "residuals.png"),
        "sweep": (completed.named("sweep"), "configurations.png"),
        "roc": (completed.named("network, 16-8"), "validation_roc_curve.png"),
        "confusion": (completed.named("network, 16-8"), "validation_confusion_matrix.png"),
    }
    for logged, path in images.values():
        listed = {file["path"] for file in server.get("artifacts/list", run_id=_id(logged))["files"]}
        assert path in listed
        assert server.artifact(logged["info"]["artifact_uri"], path).startswith(b"\x89PNG")


def test_the_grid_search_has_a_named_run_for_each_candidate(completed: Seen) -> None:
    search = completed.named("grid search: logistic regression")
    nested = [run for run in completed.active() if _tags(run).get("mlflow.parentRunId") == _id(search)]
    assert {run["info"]["run_name"] for run in nested} == {"C=0.01", "C=0.1", "C=1.0", "C=10.0"}
    assert all("mean_test_score" in _metrics(run) for run in nested)
    assert _metrics(search)["validation_roc_auc"] > 0.98


def test_runs_say_which_data_they_saw(completed: Seen) -> None:
    for name, datasets in {
        "ridge, alpha=10.0": {"diabetes-train": "training", "diabetes-validation": "validation"},
        "network, 16-8": {"breast-cancer-train": "training", "breast-cancer-validation": "validation"},
    }.items():
        inputs = completed.named(name)["inputs"]["dataset_inputs"]
        assert {
            entry["dataset"]["name"]: tag["value"] for entry in inputs for tag in entry["tags"]
        } == datasets


def test_the_failed_run_tells_its_exception(server: Server, completed: Seen) -> None:
    run = completed.named("ridge on missing values")
    assert _status(run) == "FAILED"
    assert _tags(run)["exception"].startswith("ValueError: Input X contains NaN")
    assert "on purpose" in _tags(run)["mlflow.note.content"]
    trace = server.artifact(run["info"]["artifact_uri"], "traceback.txt").decode()
    assert "ValueError: Input X contains NaN" in trace


def test_nothing_is_written_beside_the_server(repeated: Seen) -> None:
    assert repeated.files == []


def _id(run: dict[str, Any]) -> str:
    found: str = run["info"]["run_id"]
    return found


def _status(run: dict[str, Any]) -> str:
    found: str = run["info"]["status"]
    return found


def _tags(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def _metrics(run: dict[str, Any]) -> dict[str, float]:
    return {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
