"""Parallel runs: threads and processes that log at once, into runs of their own and into one run."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import mlflow
from harness import new_experiment, report

CLIENT = mlflow.MlflowClient()
WORKERS = 4
STEPS = 20

TRAIN_CHILD = """
import sys, mlflow
parent, number = sys.argv[1], int(sys.argv[2])
tracking = mlflow.MlflowClient()
with mlflow.start_run(tags={"mlflow.parentRunId": parent}, run_name=f"process {number}"):
    for step in range(5):
        mlflow.log_metric("loss", number + step, step=step)
    mlflow.log_param("number", number)
tracking.log_metric(parent, f"from process {number}", number)
"""


def train_in_thread(experiment_id, shared_run, number):
    run_id = CLIENT.create_run(experiment_id, run_name=f"thread {number}").info.run_id
    for step in range(STEPS):
        CLIENT.log_metric(run_id, "loss", number + step, step=step)
        CLIENT.log_metric(shared_run, f"loss {number}", step, step=step)
        CLIENT.log_metric(shared_run, "all", number, step=step * WORKERS + number)
    CLIENT.log_param(shared_run, f"param {number}", number)
    CLIENT.set_tag(shared_run, "contested", number)
    CLIENT.set_terminated(run_id)
    return run_id


def check_threads(experiment_id):
    shared_run = CLIENT.create_run(experiment_id, run_name="shared").info.run_id
    with ThreadPoolExecutor(WORKERS) as pool:
        run_ids = list(
            pool.map(lambda number: train_in_thread(experiment_id, shared_run, number), range(WORKERS))
        )
    for number, run_id in enumerate(run_ids):
        assert CLIENT.get_run(run_id).info.status == "FINISHED"
        assert len(CLIENT.get_metric_history(run_id, "loss")) == STEPS
        assert len(CLIENT.get_metric_history(shared_run, f"loss {number}")) == STEPS
    assert len(CLIENT.get_metric_history(shared_run, "all")) == STEPS * WORKERS
    data = CLIENT.get_run(shared_run).data
    assert data.params == {f"param {number}": str(number) for number in range(WORKERS)}
    assert data.tags["contested"] in {"0", "1", "2", "3"}


def check_one_param_many_writers(experiment_id):
    """Of several values for one param exactly one wins, and the losers are told."""
    run_id = CLIENT.create_run(experiment_id).info.run_id

    def write(value):
        try:
            CLIENT.log_param(run_id, "contested", value)
        except mlflow.exceptions.MlflowException as error:
            return error.error_code
        return value

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(write, range(8)))
    winners = [answer for answer in answers if isinstance(answer, int)]
    assert len(winners) == 1, answers
    assert set(answers) - set(winners) == {"INVALID_PARAMETER_VALUE"}, answers
    assert CLIENT.get_run(run_id).data.params == {"contested": str(winners[0])}


def check_processes(experiment_id):
    with mlflow.start_run(experiment_id=experiment_id) as parent:
        children = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", TRAIN_CHILD, parent.info.run_id, str(number)]
            )
            for number in range(2)
        ]
        assert [child.wait() for child in children] == [0, 0]
    found = CLIENT.search_runs(
        ["0", experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["params.number"]
    )
    assert [run.info.run_name for run in found] == ["process 0", "process 1"]
    assert [run.data.metrics["loss"] for run in found] == [4.0, 5.0]
    assert CLIENT.get_run(parent.info.run_id).data.metrics == {"from process 0": 0.0, "from process 1": 1.0}


def main():
    experiment_id = new_experiment("parallel")
    check_threads(experiment_id)
    check_one_param_many_writers(experiment_id)
    check_processes(experiment_id)
    report(threads=WORKERS, points=STEPS)


if __name__ == "__main__":
    main()
