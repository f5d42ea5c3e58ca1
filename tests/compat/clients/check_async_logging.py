"""Asynchronous logging (2.8 and later): every point arrives, and an error reaches who waits."""

import mlflow
from harness import VERSION, fails, new_experiment, report
from mlflow.entities import Metric, Param, RunTag

CLIENT = mlflow.MlflowClient()
POINTS = 300


def check_fluent():
    with mlflow.start_run() as run:
        for step in range(POINTS):
            mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
        operations = [
            mlflow.log_param("lr", 0.1, synchronous=False),
            mlflow.log_params({"a": 1, "b": 2}, synchronous=False),
            mlflow.log_metrics({"x": 1.0, "y": 2.0}, step=3, synchronous=False),
            mlflow.set_tag("tag", "one", synchronous=False),
            mlflow.set_tags({"two": 2}, synchronous=False),
        ]
        for operation in operations:
            operation.wait()
        mlflow.flush_async_logging()
    run_id = run.info.run_id
    history = CLIENT.get_metric_history(run_id, "loss")
    assert sorted(point.step for point in history) == list(range(POINTS))
    assert all(point.value == 1 / (point.step + 1) for point in history)
    data = CLIENT.get_run(run_id).data
    assert data.metrics == {"loss": 1 / POINTS, "x": 1.0, "y": 2.0}
    assert data.params == {"lr": "0.1", "a": "1", "b": "2"}
    assert (data.tags["tag"], data.tags["two"]) == ("one", "2")


def check_batch(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.log_batch(
        run_id,
        metrics=[Metric("m", i, 1_700_000_000_000, i) for i in range(1000)],
        params=[Param("p", "1")],
        tags=[RunTag("t", "1")],
        synchronous=False,
    ).wait()
    assert len(CLIENT.get_metric_history(run_id, "m")) == 1000


def check_configured():
    mlflow.config.enable_async_logging(True)
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)
        mlflow.log_param("p", 1)
    mlflow.flush_async_logging()
    mlflow.config.enable_async_logging(False)
    data = CLIENT.get_run(run.info.run_id).data
    assert (data.metrics, data.params) == ({"m": 1.0}, {"p": "1"})


def check_error(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.log_param(run_id, "p", "first")
    with fails("INTERNAL_ERROR", "INVALID_PARAMETER_VALUE", "second"):  # the client wraps the server's error
        CLIENT.log_param(run_id, "p", "second", synchronous=False).wait()
    assert CLIENT.get_run(run_id).data.params == {"p": "first"}


def main():
    experiment_id = new_experiment("asynchronous")
    check_fluent()
    check_batch(experiment_id)
    if VERSION >= (2, 10):
        check_configured()
    check_error(experiment_id)
    report(points=POINTS)


if __name__ == "__main__":
    main()
