"""The fluent API: what a training script calls."""

import contextlib

import mlflow
from harness import PEER, VERSION, new_experiment, report, same_number, unique

TRACKING = mlflow.MlflowClient()


def check_logging(experiment_id):
    with mlflow.start_run() as run:
        run_id = run.info.run_id
        assert run.info.experiment_id == experiment_id
        assert run.info.status == "RUNNING"
        assert run.info.run_name, "a run without a name gets one"
        mlflow.log_param("lr", 0.01)
        mlflow.log_params({"depth": 3, "wide": "x" * 500, "unicode": "größe"})
        mlflow.log_metric("loss", 0.5)
        mlflow.log_metric("loss", 0.25, step=1)
        mlflow.log_metrics({"acc": 0.75, "f1": 0.5}, step=7)
        mlflow.set_tag("team", "vision")
        mlflow.set_tags({"gone": "soon", "number": 7, "mlflow.note.content": "# notes"})
        mlflow.delete_tag("gone")
    assert mlflow.last_active_run().info.run_id == run_id

    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time > 1_600_000_000_000
    assert run.data.params == {"lr": "0.01", "depth": "3", "wide": "x" * 500, "unicode": "größe"}
    assert run.data.metrics == {"loss": 0.25, "acc": 0.75, "f1": 0.5}
    assert run.data.tags["team"] == "vision"
    assert run.data.tags["number"] == "7"
    assert "gone" not in run.data.tags
    assert run.data.tags["mlflow.runName"] == run.info.run_name
    assert run.data.tags["mlflow.source.type"] == "LOCAL"
    assert run.data.tags["mlflow.source.name"].endswith("check_fluent.py")
    assert run.data.tags["mlflow.user"]
    return run_id


def check_special_numbers():
    values = {
        "nan": float("nan"),
        "inf": float("inf"),
        "minus_inf": float("-inf"),
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "minus_zero": -0.0,
        "third": 1 / 3,
    }
    with mlflow.start_run(run_name="special numbers") as run:
        mlflow.log_metrics(values)
    got = mlflow.get_run(run.info.run_id).data.metrics
    assert got.keys() == values.keys()
    if PEER:  # MLflow's SQL store answers the largest float for an infinity
        values |= {"inf": values["huge"], "minus_inf": -values["huge"]}
    for key, value in values.items():
        assert same_number(got[key], value), f"{key}: {got[key]}"
    return {key: repr(got[key]) for key in ("inf", "minus_inf", "nan")}


def check_names():
    with mlflow.start_run(run_name="chosen") as run:
        assert run.info.run_name == "chosen"
        mlflow.set_tag("mlflow.runName", "renamed by tag")
    assert mlflow.get_run(run.info.run_id).info.run_name == "renamed by tag"
    names = set()
    for _ in range(3):
        with mlflow.start_run() as run:
            names.add(run.info.run_name)
    assert len(names) > 1, "generated names differ"


def check_nesting():
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_metric("level", 0)
        for number in range(2):
            with mlflow.start_run(run_name=f"child {number}", nested=True) as child:
                mlflow.log_metric("level", 1)
                with mlflow.start_run(nested=True) as grandchild:
                    mlflow.log_metric("level", 2)
        mlflow.log_metric("late", 1)
    assert mlflow.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert mlflow.get_run(grandchild.info.run_id).data.tags["mlflow.parentRunId"] == child.info.run_id
    found = TRACKING.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert sorted(run.info.run_name for run in found) == ["child 0", "child 1"]
    if VERSION >= (2, 0):
        assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id


def check_resume(run_id):
    with mlflow.start_run(run_id=run_id) as run:
        assert run.info.status == "RUNNING"
        mlflow.log_metric("loss", 0.125, step=2)
        mlflow.log_param("added", "later")
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["loss"] == 0.125
    assert run.data.params["added"] == "later"
    assert run.data.params["depth"] == "3"
    assert [metric.value for metric in TRACKING.get_metric_history(run_id, "loss")] == [0.5, 0.25, 0.125]


def check_ends():
    with contextlib.suppress(ZeroDivisionError), mlflow.start_run() as failed:
        1 / 0  # noqa: B018
    assert mlflow.get_run(failed.info.run_id).info.status == "FAILED"
    killed = mlflow.start_run()
    mlflow.end_run("KILLED")
    assert mlflow.get_run(killed.info.run_id).info.status == "KILLED"


def check_experiment():
    name = unique("fluent experiment")
    created = mlflow.set_experiment(name)
    assert mlflow.set_experiment(experiment_id=created.experiment_id).name == name
    mlflow.set_experiment_tags({"stage": "compat", "owner": "someone"})
    experiment = mlflow.get_experiment_by_name(name)
    assert experiment.tags["stage"] == "compat"
    assert experiment.tags["owner"] == "someone"
    assert experiment.lifecycle_stage == "active"
    assert mlflow.get_experiment_by_name(unique("nobody")) is None
    assert [found.name for found in mlflow.search_experiments(filter_string=f"name = '{name}'")] == [name]
    mlflow.delete_experiment(created.experiment_id)
    assert mlflow.get_experiment(created.experiment_id).lifecycle_stage == "deleted"


def main():
    experiment_id = new_experiment("fluent")
    run_id = check_logging(experiment_id)
    numbers = check_special_numbers()
    check_names()
    check_nesting()
    check_resume(run_id)
    check_ends()
    check_experiment()
    report(**numbers)


if __name__ == "__main__":
    main()
