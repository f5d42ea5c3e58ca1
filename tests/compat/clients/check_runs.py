"""MlflowClient: the life of a run, batches at their limits, immutable params, and the errors."""

import mlflow
from harness import VERSION, fails, report, unique
from mlflow.entities import Metric, Param, RunTag, ViewType

CLIENT = mlflow.MlflowClient()
NOBODY = "0" * 32


def check_life(experiment_id):
    created = CLIENT.create_run(
        experiment_id, start_time=1_700_000_000_123, tags={"a": "1"}, run_name="first name"
    )
    run_id = created.info.run_id
    assert created.info.start_time == 1_700_000_000_123
    assert created.info.end_time is None
    assert created.info.status == "RUNNING"
    assert created.info.lifecycle_stage == "active"
    assert created.data.tags == {"a": "1", "mlflow.runName": "first name"}
    assert created.info.artifact_uri.endswith(f"/{run_id}/artifacts")

    CLIENT.update_run(run_id, status="SCHEDULED", name="second name")
    run = CLIENT.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("SCHEDULED", "second name")
    assert run.data.tags["mlflow.runName"] == "second name"

    CLIENT.set_terminated(run_id, status="FAILED", end_time=1_700_000_009_000)
    info = CLIENT.get_run(run_id).info
    assert (info.status, info.end_time) == ("FAILED", 1_700_000_009_000)

    CLIENT.delete_run(run_id)
    assert CLIENT.get_run(run_id).info.lifecycle_stage == "deleted"
    assert [run.info.run_id for run in CLIENT.search_runs([experiment_id])] == []
    deleted = CLIENT.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert [run.info.run_id for run in deleted] == [run_id]
    with fails("INVALID_PARAMETER_VALUE", run_id):
        CLIENT.log_metric(run_id, "late", 1)
    CLIENT.restore_run(run_id)
    assert CLIENT.get_run(run_id).info.lifecycle_stage == "active"


def check_params(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.log_param(run_id, "lr", 0.1)
    CLIENT.log_param(run_id, "lr", 0.1)  # the same again is no change
    with fails("INVALID_PARAMETER_VALUE", "lr", "0.1", "0.2"):
        CLIENT.log_param(run_id, "lr", 0.2)
    with fails("INVALID_PARAMETER_VALUE", "lr"):
        CLIENT.log_batch(run_id, params=[Param("fresh", "1"), Param("lr", "0.3")])
    assert CLIENT.get_run(run_id).data.params == {"lr": "0.1"}, "a refused batch leaves nothing"
    CLIENT.log_param(run_id, "empty", "")
    CLIENT.log_param(run_id, "a/b-c.d e_f", "legal key")
    CLIENT.log_param(run_id, "multi", "line\nbreak\ttab 'quote\" \\ \u2603 \U0001f600")
    params = CLIENT.get_run(run_id).data.params
    assert params["multi"] == "line\nbreak\ttab 'quote\" \\ \u2603 \U0001f600"
    assert params["empty"] == ""
    assert params["a/b-c.d e_f"] == "legal key"


def check_tags(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.set_tag(run_id, "stage", "one")
    CLIENT.set_tag(run_id, "stage", "two")
    CLIENT.set_tag(run_id, "long", "y" * 5000)
    tags = CLIENT.get_run(run_id).data.tags
    assert tags["stage"] == "two"
    assert tags["long"] == "y" * 5000
    CLIENT.delete_tag(run_id, "stage")
    assert "stage" not in CLIENT.get_run(run_id).data.tags
    with fails("RESOURCE_DOES_NOT_EXIST", "stage"):
        CLIENT.delete_tag(run_id, "stage")


def check_batches(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.log_batch(run_id, metrics=[Metric("m", i / 7, 1_700_000_000_000 + i, i) for i in range(1000)])
    CLIENT.log_batch(
        run_id,
        metrics=[Metric(f"m{i}", i, 1_700_000_000_000, 0) for i in range(800)],
        params=[Param(f"p{i:03}", "x" * 250) for i in range(100)],
        tags=[RunTag(f"t{i:03}", "x" * 250) for i in range(100)],
    )
    CLIENT.log_batch(run_id)
    data = CLIENT.get_run(run_id).data
    assert len(data.metrics) == 801
    assert data.metrics["m"] == 999 / 7
    assert len(data.params) == 100
    assert len([key for key in data.tags if key.startswith("t")]) == 100
    # Above the server's limits the client splits what it can.
    other = CLIENT.create_run(experiment_id).info.run_id
    mlflow.start_run(run_id=other)
    mlflow.log_params({f"p{i}": i for i in range(250)})
    mlflow.set_tags({f"t{i}": i for i in range(250)})
    mlflow.log_metrics({f"m{i}": i for i in range(1000)})
    mlflow.end_run()
    data = CLIENT.get_run(other).data
    assert (len(data.params), len(data.metrics)) == (250, 1000)
    assert data.tags["t249"] == "249"


def check_last_value(experiment_id):
    """The last value is that of the greatest step, then timestamp, then value: not of the last call."""
    run_id = CLIENT.create_run(experiment_id).info.run_id
    CLIENT.log_metric(run_id, "m", 10, timestamp=2000, step=5)
    CLIENT.log_metric(run_id, "m", 20, timestamp=3000, step=4)
    assert CLIENT.get_run(run_id).data.metrics["m"] == 10
    CLIENT.log_metric(run_id, "m", 5, timestamp=2000, step=5)
    assert CLIENT.get_run(run_id).data.metrics["m"] == 10
    CLIENT.log_metric(run_id, "m", 7, timestamp=2001, step=5)
    assert CLIENT.get_run(run_id).data.metrics["m"] == 7
    CLIENT.log_metric(run_id, "m", 1, timestamp=1, step=-3)
    assert CLIENT.get_run(run_id).data.metrics["m"] == 7


def check_errors(experiment_id):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    with fails("RESOURCE_DOES_NOT_EXIST", NOBODY):
        CLIENT.get_run(NOBODY)
    for change in (
        lambda: CLIENT.log_metric(NOBODY, "m", 1),
        lambda: CLIENT.log_param(NOBODY, "p", 1),
        lambda: CLIENT.set_tag(NOBODY, "t", 1),
        lambda: CLIENT.delete_run(NOBODY),
        lambda: CLIENT.restore_run(NOBODY),
        lambda: CLIENT.set_terminated(NOBODY),
        lambda: CLIENT.log_batch(NOBODY, metrics=[Metric("m", 1, 1, 1)]),
    ):
        with fails("RESOURCE_DOES_NOT_EXIST", NOBODY):
            change()
    with fails("RESOURCE_DOES_NOT_EXIST"):
        CLIENT.create_run("999999999")
    for bad_key in ("", "../up", "a//b", "a" * 251):
        with fails("INVALID_PARAMETER_VALUE"):
            CLIENT.log_metric(run_id, bad_key, 1)
        with fails("INVALID_PARAMETER_VALUE"):
            CLIENT.log_param(run_id, bad_key, 1)
    if VERSION >= (2, 0):
        assert CLIENT.get_parent_run(run_id) is None


def main():
    check_life(CLIENT.create_experiment(unique("life")))
    experiment_id = CLIENT.create_experiment(unique("runs"))
    check_params(experiment_id)
    check_tags(experiment_id)
    check_batches(experiment_id)
    check_last_value(experiment_id)
    check_errors(experiment_id)
    report()


if __name__ == "__main__":
    main()
