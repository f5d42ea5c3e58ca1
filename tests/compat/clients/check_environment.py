"""Where a run goes when only the environment says so: no set_experiment() in this process.

(From 2.x on, set_experiment() itself writes MLFLOW_EXPERIMENT_ID, so it would hide what is tested.)
"""

import os

import mlflow
from harness import VERSION, fails, report, unique


def check_default_experiment():
    with mlflow.start_run() as run:
        assert run.info.experiment_id == "0"
    assert mlflow.get_experiment("0").name == "Default"


def check_experiment_name():
    os.environ["MLFLOW_EXPERIMENT_NAME"] = name = unique("/Shared/from the environment")
    if VERSION < (2, 0):
        mlflow.create_experiment(name)  # later clients create it on first use
    with mlflow.start_run() as run:
        assert mlflow.get_experiment(run.info.experiment_id).name == name
    with mlflow.start_run() as second:
        assert second.info.experiment_id == run.info.experiment_id
    del os.environ["MLFLOW_EXPERIMENT_NAME"]


def check_experiment_id():
    experiment_id = mlflow.create_experiment(unique("by id"), tags={"owner": "compat"})
    os.environ["MLFLOW_EXPERIMENT_ID"] = experiment_id
    with mlflow.start_run() as run:
        assert run.info.experiment_id == experiment_id
    return run.info.run_id


def check_run_id(run_id):
    os.environ["MLFLOW_RUN_ID"] = run_id
    with mlflow.start_run() as resumed:
        assert resumed.info.run_id == run_id
        mlflow.log_metric("resumed", 1)
    run = mlflow.get_run(run_id)
    assert run.data.metrics == {"resumed": 1.0}
    assert run.info.status == "FINISHED"


def check_unknown_run_id():
    os.environ["MLFLOW_RUN_ID"] = "0" * 32
    with fails("RESOURCE_DOES_NOT_EXIST", "0" * 32):
        mlflow.start_run()


def main():
    check_default_experiment()
    check_experiment_name()
    check_run_id(check_experiment_id())
    check_unknown_run_id()
    report()


if __name__ == "__main__":
    main()
