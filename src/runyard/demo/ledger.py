"""The demo's runs of one experiment, as the server has them.

The server is the only memory: a run says in its tags which step of which version of the demo it is.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import mlflow
from mlflow.entities import Experiment, Run, RunStatus, RunTag, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from runyard.client.http import Http
from runyard.demo import address, isolation
from runyard.demo.errors import DemoError
from runyard.demo.steps import VERSION, Goal, Step, Topic

VERSION_TAG = "demo.version"
STEP_TAG = "demo.step"
EXCEPTION_TAG = "exception"
_LONGEST_TAG = 5000
_PAGE = 1000


class Ledger:
    """Which runs are there, and the way to make one."""

    def __init__(self, http: Http, topic: Topic) -> None:
        """Creates the experiment where it is missing; takes it out of the trash where it is there."""
        self._http = http
        self._client = mlflow.MlflowClient(tracking_uri=http.base)
        self.topic = topic
        self.restored = False
        self.experiment_id = self._experiment().experiment_id

    def runs(self) -> list[Run]:
        """The demo's runs outside the trash, whatever their version and status, newest first."""
        listed = self._all_runs()
        own = {run.info.run_id for run in listed if VERSION_TAG in run.data.tags}
        return [
            run for run in listed if run.info.run_id in own or run.data.tags.get(MLFLOW_PARENT_RUN_ID) in own
        ]

    def done(self) -> set[tuple[str, str]]:
        """Key and status of each step that ended."""
        return {
            (run.data.tags[STEP_TAG], run.info.status)
            for run in self.runs()
            if _is_step(run) and RunStatus.is_terminated(RunStatus.from_string(run.info.status))
        }

    def find(self, key: str) -> Run | None:
        """The newest run of a step, whatever its status."""
        return next((run for run in self.runs() if _is_step(run) and run.data.tags[STEP_TAG] == key), None)

    def children(self, key: str) -> list[Run]:
        """The finished runs below a step's run."""
        parent = self.find(key)
        if parent is None:
            return []
        return [
            run
            for run in self._all_runs()
            if run.data.tags.get(MLFLOW_PARENT_RUN_ID) == parent.info.run_id and run.info.status == "FINISHED"
        ]

    @contextmanager
    def open(self, step: Step, *, nested: bool) -> Iterator[None]:
        """Makes the step's run the active one and ends it as its body ends.

        A step with children goes on in the run that it has, so that these stay together; any other step
        gets a run of its own. Exceptions leave it FAILED, Ctrl-C leaves it KILLED; both go on up.
        """
        known = self.find(step.key) if step.children else None
        tags = {
            VERSION_TAG: VERSION,
            STEP_TAG: step.key,
            "mlflow.source.name": "runyard demo",
            **step.tags,
        }
        mlflow.start_run(
            run_id=known.info.run_id if known else None,
            experiment_id=self.experiment_id,
            run_name=step.name,
            nested=nested,
            tags=tags,
            description=step.description,
            log_system_metrics=False,
        )
        try:
            yield
        except KeyboardInterrupt:
            mlflow.end_run("KILLED")
            raise
        except Exception as error:
            self._fail(error)
            raise
        else:
            mlflow.end_run("FINISHED")

    def adopt(self, step: Step, candidates: Sequence[Mapping[str, object]]) -> None:
        """Names and tags the runs that autologging made below the step's run, one per candidate.

        Args:
            step: whose run is the active one.
            candidates: each run's params; `model__C: 1.0` gives the name `C=1.0`.

        Raises:
            DemoError: a run is missing (autologging itself only warns).
        """
        children = self.children(step.key)
        for params in candidates:
            expected = {key: str(value) for key, value in params.items()}
            child = next((run for run in children if expected.items() <= run.data.params.items()), None)
            if child is None:
                raise DemoError(
                    f"Autologging made no run for {expected} of {step.name!r}. The server's log may say why."
                )
            name = ", ".join(f"{key.split('__')[-1]}={value}" for key, value in expected.items())
            self._client.update_run(child.info.run_id, name=name)
            tags = {VERSION_TAG: VERSION, STEP_TAG: f"{step.key}/{name}"}
            self._client.log_batch(child.info.run_id, tags=[RunTag(*tag) for tag in tags.items()])

    def kill_unfinished(self) -> int:
        """Marks what still counts as running, from an interrupted demo, as KILLED; says how many."""
        unfinished = [run for run in self.runs() if run.info.status == "RUNNING"]
        for run in unfinished:
            self._client.set_terminated(run.info.run_id, "KILLED")
        return len(unfinished)

    def trash(self) -> int:
        """Deletes the demo's runs (they can be restored); says how many."""
        runs = self.runs()
        for run in runs:
            self._client.delete_run(run.info.run_id)
        return len(runs)

    def best(self) -> Run | None:
        """The finished run with the best value of the topic's metric."""
        return best_of(self.runs(), self.topic.goal)

    def _experiment(self) -> Experiment:
        name = self.topic.experiment
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            created = self._client.create_experiment(name, tags={MLFLOW_RUN_NOTE: self.topic.description})
            return self._client.get_experiment(created)
        if experiment.lifecycle_stage != "active":
            self._client.restore_experiment(experiment.experiment_id)
            self.restored = True
        return experiment

    def _all_runs(self) -> list[Run]:
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def _fail(self, error: Exception) -> None:
        """Ends the active run as FAILED with its exception, as far as the server still answers."""
        if not address.answers(self._http):
            isolation.stop_retrying()
        with suppress(Exception):  # the first error is the one that counts
            text = f"{type(error).__name__}: {error}"
            mlflow.set_tag(EXCEPTION_TAG, text[:_LONGEST_TAG])
            mlflow.log_text("".join(traceback.format_exception(error)), "traceback.txt")
        with suppress(Exception):
            mlflow.end_run("FAILED")


def best_of(runs: list[Run], goal: Goal) -> Run | None:
    """The finished run with the best value of the goal's metric; the first of equals by name."""
    best: Run | None = None
    for run in sorted(runs, key=lambda run: run.info.run_name or ""):
        value = run.data.metrics.get(goal.metric)
        if value is None or run.info.status != "FINISHED":
            continue
        if best is None or goal.is_better(value, best.data.metrics[goal.metric]):
            best = run
    return best


def _is_step(run: Run) -> bool:
    return run.data.tags.get(VERSION_TAG) == VERSION and STEP_TAG in run.data.tags
