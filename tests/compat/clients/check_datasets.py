"""Datasets as inputs of runs (2.4 and later): from pandas and numpy, contexts, search by dataset."""

import json

import mlflow
import numpy as np
import pandas as pd
from harness import VERSION, new_experiment, report
from mlflow.entities import DatasetInput, InputTag

CLIENT = mlflow.MlflowClient()


def check_inputs():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
    training = mlflow.data.from_pandas(
        frame, source="https://example.com/train.csv", name="train set", targets="y"
    )
    holdout = mlflow.data.from_numpy(np.arange(6).reshape(3, 2), source="https://example.com/hold.npz")
    with mlflow.start_run() as run:
        mlflow.log_input(training, context="training")
        mlflow.log_input(training, context="training")  # the same again changes nothing
        mlflow.log_input(holdout)
    inputs = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert len(inputs) == 2
    by_name = {entry.dataset.name: entry for entry in inputs}
    logged = by_name["train set"]
    assert logged.dataset.digest == training.digest
    assert logged.dataset.source_type == "http"
    assert json.loads(logged.dataset.source) == {"url": "https://example.com/train.csv"}
    assert json.loads(logged.dataset.profile) == {"num_rows": 3, "num_elements": 6}
    if training.schema is not None:  # the skinny client infers none
        columns = json.loads(logged.dataset.schema)["mlflow_colspec"]
        assert [column["name"] for column in columns] == ["x", "y"]
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training"}
    assert mlflow.data.get_source(logged.dataset).url == "https://example.com/train.csv"
    return run, training


def check_client(experiment_id, training):
    run_id = CLIENT.create_run(experiment_id).info.run_id
    entry = DatasetInput(training._to_mlflow_entity(), [InputTag("mlflow.data.context", "validation")])
    CLIENT.log_inputs(run_id, [entry])
    (got,) = CLIENT.get_run(run_id).inputs.dataset_inputs
    assert [(tag.key, tag.value) for tag in got.tags] == [("mlflow.data.context", "validation")]
    return run_id


def check_search(experiment_id, first_run, second_run, digest):
    def find(text):
        return {run.info.run_id for run in CLIENT.search_runs([experiment_id], text)}

    assert find("datasets.name = 'train set'") == {first_run, second_run}
    assert find("dataset.name LIKE 'train%'") == {first_run, second_run}
    assert find(f"datasets.digest = '{digest}'") == {first_run, second_run}
    assert find("datasets.context = 'validation'") == {second_run}
    assert find("datasets.name IN ('train set', 'other')") == {first_run, second_run}
    assert find("datasets.name = 'nothing'") == set()


def check_datasets_of_metrics(training):
    """A metric may name the dataset that it was measured on (3.x); its history stays whole."""
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5, dataset=training)
        mlflow.log_metric("loss", 0.25, step=1, dataset=training)
    assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 0.25}
    history = CLIENT.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (1, 0.25)]


def main():
    experiment_id = new_experiment("datasets")
    run, training = check_inputs()
    second_run = check_client(experiment_id, training)
    check_search(experiment_id, run.info.run_id, second_run, training.digest)
    if VERSION >= (3, 0):
        check_datasets_of_metrics(training)
    report(digest=training.digest)


if __name__ == "__main__":
    main()
