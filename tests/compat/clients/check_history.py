"""Metric histories: order, special points, and more points than one page of the client holds."""

import mlflow
from harness import PEER, report, same_number, unique
from mlflow.entities import Metric

CLIENT = mlflow.MlflowClient()
POINTS = 26_000  # the clients ask for pages of 25,000


def history(run_id, key):
    return [(point.step, point.timestamp, point.value) for point in CLIENT.get_metric_history(run_id, key)]


def check_long_history(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    points = [Metric("loss", 1 / (i + 1), 1_700_000_000_000 + i, i) for i in range(POINTS)]
    for start in range(0, POINTS, 1000):
        CLIENT.log_batch(run_id, metrics=points[start : start + 1000])
    got = history(run_id, "loss")
    assert len(got) == POINTS
    assert got == [(i, 1_700_000_000_000 + i, 1 / (i + 1)) for i in range(POINTS)]
    assert CLIENT.get_run(run_id).data.metrics["loss"] == 1 / POINTS


def check_order_and_repeats(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    for step, timestamp, value in ((3, 30, 3.0), (1, 10, 1.0), (2, 10, 2.0), (-5, 20, 0.5), (2**53, 40, 9.0)):
        CLIENT.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    CLIENT.log_metric(run_id, "m", 3.0, timestamp=30, step=3)  # a repeated request changes nothing
    assert history(run_id, "m") == [
        (1, 10, 1.0),
        (2, 10, 2.0),
        (-5, 20, 0.5),
        (3, 30, 3.0),
        (2**53, 40, 9.0),
    ]
    assert CLIENT.get_run(run_id).data.metrics["m"] == 9.0


def check_special_values(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    values = [1.5, float("nan"), float("inf"), float("-inf"), 0.1 + 0.2]
    for step, value in enumerate(values):
        CLIENT.log_metric(run_id, "m", value, timestamp=1000 + step, step=step)
    if PEER:  # MLflow's SQL store answers the largest float for an infinity
        values[2], values[3] = 1.7976931348623157e308, -1.7976931348623157e308
    got = [value for _, _, value in history(run_id, "m")]
    assert len(got) == len(values)
    assert all(map(same_number, got, values)), got


def check_unknown_key(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    assert history(run_id, "never logged") == []


def main():
    experiment_id = CLIENT.create_experiment(unique("history"))
    check_long_history(experiment_id)
    check_order_and_repeats(experiment_id)
    check_special_values(experiment_id)
    check_unknown_key(experiment_id)
    report(points=POINTS)


if __name__ == "__main__":
    main()
