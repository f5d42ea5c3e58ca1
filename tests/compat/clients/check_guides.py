"""The tracking examples that data scientists start from: the blocks of well-known guides, unchanged
but for the address of the server, which comes from MLFLOW_TRACKING_URI."""

import os

import mlflow
from harness import report, unique

CLIENT = mlflow.MlflowClient()


def check_first_run():
    experiment_name = unique("experiment_with_mlflow")
    # ---
    mlflow.set_experiment(experiment_name)

    with mlflow.start_run():
        mlflow.log_metric("alpha", 0.03)
    # ---
    experiment = CLIENT.get_experiment_by_name(experiment_name)
    (run,) = CLIENT.search_runs([experiment.experiment_id])
    assert run.data.metrics == {"alpha": 0.03}
    assert run.info.status == "FINISHED"


def check_tracking_uri(uri):
    # ---
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run():
        mlflow.log_metric("example", 1.23)
    # ---
    assert mlflow.last_active_run().data.metrics == {"example": 1.23}


def check_metric_without_a_run():
    """Outside of a `with`, the first call starts a run."""
    loss = type("Loss", (), {"item": lambda self: 0.75})()
    # ---
    mlflow.log_metric("epoch_loss", loss.item())
    # ---
    run = mlflow.active_run()
    mlflow.end_run()
    assert CLIENT.get_run(run.info.run_id).data.metrics == {"epoch_loss": 0.75}


def check_workspace_experiment():
    """A name is a path; with and without a slash at its end it is the same experiment."""
    stem = unique("/Shared/name_of_experiment")
    experiment_name = f"{stem}/"
    # ---
    mlflow.set_experiment(experiment_name)
    # ---
    with mlflow.start_run() as run:
        pass
    experiment = mlflow.set_experiment(experiment_name)
    assert run.info.experiment_id == experiment.experiment_id
    if not os.environ.get("COMPAT_PEER"):
        assert mlflow.set_experiment(stem).experiment_id == experiment.experiment_id


def check_remote_experiment(uri):
    # ---
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(unique("path to experiment in remote workspace"))
    # ---
    with mlflow.start_run():
        mlflow.log_param("where", "remote")
    assert len(mlflow.search_runs()) == 1


def check_dashboard():
    """The analysis of runs by program: metric over time, runs of a user, all runs."""
    name = unique("dashboard")
    mlflow.set_experiment(name)
    for day in range(4):
        with mlflow.start_run():
            mlflow.set_tag("mlflow.user", "ann" if day % 2 else "bob")
            mlflow.log_metric("accuracy", 0.5 + day / 10)
    # ---
    runs = mlflow.search_runs(experiment_names=[name])
    # ---
    assert len(runs) == 4
    by_time = runs.sort_values("start_time")
    assert list(by_time["metrics.accuracy"].round(1)) == [0.5, 0.6, 0.7, 0.8]
    assert runs.groupby("tags.mlflow.user").size().to_dict() == {"ann": 2, "bob": 2}
    assert (runs["end_time"] >= runs["start_time"]).all()


def main():
    uri = mlflow.get_tracking_uri()
    check_first_run()
    check_tracking_uri(uri)
    check_metric_without_a_run()
    check_workspace_experiment()
    check_remote_experiment(uri)
    check_dashboard()
    report()


if __name__ == "__main__":
    main()
