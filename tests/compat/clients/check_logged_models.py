"""Logged models (3.x): their life, what runs say of them, metrics measured on them, search, files."""

import pathlib
import tempfile

import mlflow
import pandas as pd
from harness import PEER, fails, new_experiment, report
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric

CLIENT = mlflow.MlflowClient()


def dataset(name):
    return mlflow.data.from_pandas(
        pd.DataFrame({"x": [0.5, 1.5]}), source=f"https://example.com/{name}.csv", name=name
    )


def check_life(experiment_id):
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model(
            name="forest", params={"depth": "3"}, tags={"stage": "draft"}, model_type="classifier"
        )
        assert model.status == LoggedModelStatus.PENDING
        mlflow.log_model_params({f"p{i:03}": "v" * 50 for i in range(150)}, model_id=model.model_id)
        mlflow.finalize_logged_model(model.model_id, "READY")
    model = mlflow.get_logged_model(model.model_id)
    assert model.model_id.startswith("m-")
    assert (model.name, model.model_type, model.status) == ("forest", "classifier", LoggedModelStatus.READY)
    assert model.experiment_id == experiment_id
    assert model.source_run_id == run.info.run_id
    assert model.creation_timestamp <= model.last_updated_timestamp
    assert model.params["depth"] == "3"
    assert len(model.params) == 151
    assert model.model_uri == f"models:/{model.model_id}"

    mlflow.set_logged_model_tags(model.model_id, {"stage": "final", "extra": "1"})
    mlflow.delete_logged_model_tag(model.model_id, "extra")
    tags = mlflow.get_logged_model(model.model_id).tags
    assert tags["stage"] == "final"
    assert "extra" not in tags

    failed = mlflow.initialize_logged_model(name="broken")
    CLIENT.finalize_logged_model(failed.model_id, "FAILED")
    assert CLIENT.get_logged_model(failed.model_id).status == LoggedModelStatus.FAILED
    return run.info.run_id, model.model_id


def check_runs(run_id, model_id):
    """A run names the models that it made, at which step, and those that it used."""
    CLIENT.log_outputs(run_id, [LoggedModelOutput(model_id, step=5)])
    (output,) = CLIENT.get_run(run_id).outputs.model_outputs
    assert (output.model_id, output.step) == (model_id, 5)
    user = CLIENT.create_run(CLIENT.get_run(run_id).info.experiment_id).info.run_id
    CLIENT.log_inputs(user, models=[LoggedModelInput(model_id)])
    (used,) = CLIENT.get_run(user).inputs.model_inputs
    assert used.model_id == model_id


def check_metrics(experiment_id, model_id):
    test, holdout = dataset("test"), dataset("holdout")
    with mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.log_metric("acc", 0.8, step=1, model_id=model_id, dataset=test)
        mlflow.log_metric("acc", 0.9, step=2, model_id=model_id, dataset=test)
        mlflow.log_metrics({"acc": 0.7, "f1": 0.6}, step=1, model_id=model_id, dataset=holdout)
        mlflow.log_metric("bare", 0.5, model_id=model_id)
    metrics = mlflow.get_logged_model(model_id).metrics
    seen = {(metric.key, metric.step, metric.value, metric.dataset_name) for metric in metrics}
    assert ("acc", 2, 0.9, "test") in seen, seen
    assert ("acc", 1, 0.7, "holdout") in seen
    assert ("f1", 1, 0.6, "holdout") in seen
    assert ("bare", 0, 0.5, None) in seen
    assert {metric.dataset_digest for metric in metrics if metric.dataset_name == "test"} == {test.digest}
    assert {metric.run_id for metric in metrics} == {run.info.run_id}
    assert {metric.model_id for metric in metrics} == {model_id}
    assert mlflow.get_run(run.info.run_id).data.metrics == {"acc": 0.9, "f1": 0.6, "bare": 0.5}
    batch = CLIENT.create_run(experiment_id).info.run_id
    point = Metric("late", 0.25, 1_700_000_000_000, 3, model_id=model_id, run_id=batch)
    CLIENT.log_batch(batch, metrics=[point])
    assert [m.value for m in mlflow.get_logged_model(model_id).metrics if m.key == "late"] == [0.25]


def make_searched(experiment_id):
    ids = {}
    for position, letter in enumerate("abc"):
        model = mlflow.create_external_model(
            name=f"model {letter}",
            params={"depth": str(position)},
            tags={"team": "one" if letter == "a" else "two"},
            model_type="agent" if letter == "c" else "classifier",
        )
        ids[model.model_id] = letter
        if letter != "c":
            with mlflow.start_run(experiment_id=experiment_id):
                mlflow.log_metric(
                    "acc", (position + 1) / 10, model_id=model.model_id, dataset=dataset("test")
                )
                mlflow.log_metric("acc", 0.9, model_id=model.model_id, dataset=dataset("train"))
    return ids


def check_search():
    experiment_id = new_experiment("search of models")
    ids = make_searched(experiment_id)

    def find(text=None, **query):
        found = mlflow.search_logged_models([experiment_id], text, output_format="list", **query)
        return "".join(ids[model.model_id] for model in found)

    by_name = [{"field_name": "name"}]
    first = next(model_id for model_id, letter in ids.items() if letter == "a")
    assert find() == "cba", "newest first"
    expected = {
        "name = 'model b'": "b",
        "name != 'model b'": "ac",
        "name LIKE 'model %'": "abc",
        "attributes.name ILIKE '%B'": "b",
        "model_type = 'agent'": "c",
        f"model_id = '{first}'": "a",
        f"model_id IN ('{first}', 'm-other')": "a",
        "params.depth = '1'": "b",
        "tags.team = 'two'": "bc",
        "tags.team IN ('one', 'three')": "a",
        "metrics.acc > 0.15": "ab",
        "metrics.acc < 0.15": "a",
        "creation_time > 100 AND tags.team = 'two' AND model_type != 'agent'": "b",
    }
    if not PEER:  # MLflow's server compares the name with its number, and finds nothing
        expected["status = 'READY'"] = "abc"
    for text, letters in expected.items():
        assert find(text, order_by=by_name) == letters, f"{text!r} finds {find(text, order_by=by_name)!r}"
    on_test = [{"dataset_name": "test"}]
    if not PEER:  # MLflow's server takes the absent digest for an empty one, and finds nothing
        assert find("metrics.acc > 0.15", datasets=on_test) == "b"
        assert find(None, datasets=on_test, order_by=by_name) == "ab"
    with_digest = [{"dataset_name": "test", "dataset_digest": dataset("test").digest}]
    assert find("metrics.acc > 0.05", datasets=with_digest, order_by=by_name) == "ab"
    assert find(order_by=[{"field_name": "metrics.acc", "ascending": False, "dataset_name": "test"}]) == "bac"
    assert find(order_by=[{"field_name": "creation_time", "ascending": True}]) == "abc"
    if not PEER:  # MLflow's server answers 500
        with fails("INVALID_PARAMETER_VALUE", "colour"):
            find("colour = 'red'")

    page = CLIENT.search_logged_models([experiment_id], max_results=2, order_by=by_name)
    rest = CLIENT.search_logged_models(
        [experiment_id], max_results=2, order_by=by_name, page_token=page.token
    )
    assert "".join(ids[model.model_id] for model in [*page, *rest]) == "abc"
    assert not rest.token
    frame = mlflow.search_logged_models([experiment_id])
    assert sorted(frame["name"]) == ["model a", "model b", "model c"]


def check_deletion(model_id):
    CLIENT.delete_logged_model(model_id)
    with fails("RESOURCE_DOES_NOT_EXIST", model_id):
        CLIENT.get_logged_model(model_id)
    for change in (
        lambda: CLIENT.get_logged_model("m-" + "0" * 32),
        lambda: CLIENT.finalize_logged_model("m-" + "0" * 32, "READY"),
        lambda: CLIENT.delete_logged_model("m-" + "0" * 32),
    ):
        with fails("RESOURCE_DOES_NOT_EXIST"):
            change()


def check_files(model_id):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "sub dir").mkdir()
        (folder / "weights.bin").write_bytes(b"\x00\x01" * 5000)
        (folder / "sub dir" / "empty").touch()
        CLIENT.log_model_artifacts(model_id, name)
        CLIENT.log_model_artifact(model_id, str(folder / "weights.bin"))
    listed = {info.path: info.is_dir for info in CLIENT.list_logged_model_artifacts(model_id)}
    assert listed == {"sub dir": True, "weights.bin": False}
    inside = [info.path for info in CLIENT.list_logged_model_artifacts(model_id, "sub dir")]
    assert inside == ["sub dir/empty"]
    path = pathlib.Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}"))
    assert (path / "weights.bin").read_bytes() == b"\x00\x01" * 5000
    assert (path / "sub dir" / "empty").read_bytes() == b""


def check_real_model():
    import numpy as np
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    features, target = load_diabetes(return_X_y=True)
    fitted = Ridge().fit(features, target)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            fitted, name="ridge", params={"alpha": 1.0}, pip_requirements=["scikit-learn"], step=7
        )
    assert mlflow.last_logged_model().model_id == info.model_id
    model = mlflow.get_logged_model(info.model_id)
    assert model.status == LoggedModelStatus.READY
    assert model.params == {"alpha": "1.0"}
    assert model.source_run_id == run.info.run_id
    (output,) = mlflow.get_run(run.info.run_id).outputs.model_outputs
    assert (output.model_id, output.step) == (info.model_id, 7)
    for uri in (f"models:/{info.model_id}", f"runs:/{run.info.run_id}/ridge"):
        assert np.array_equal(mlflow.sklearn.load_model(uri).predict(features), fitted.predict(features))
    inside = [entry.path for entry in CLIENT.list_artifacts(run.info.run_id, "ridge")]
    assert "ridge/MLmodel" in inside


def main():
    experiment_id = new_experiment("logged models")
    run_id, model_id = check_life(experiment_id)
    check_runs(run_id, model_id)
    check_metrics(experiment_id, model_id)
    check_files(model_id)
    try:
        import sklearn  # noqa: F401
    except ImportError:
        pass
    else:
        check_real_model()
    check_deletion(model_id)
    check_search()
    report(model_id=model_id)


if __name__ == "__main__":
    main()
