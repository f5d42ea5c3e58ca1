"""runs/log-inputs, runs/outputs, experiments/search-datasets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused

DATASET = {"name": "iris", "digest": "d1", "source_type": "local", "source": '{"uri": "iris.csv"}'}
SEARCH = "experiments/search-datasets"


def use(context: str | None = None, **fields: Any) -> dict[str, Any]:
    """A dataset as a run logs it."""
    tags = [] if context is None else [{"key": "mlflow.data.context", "value": context}]
    return {"dataset": {**DATASET, **fields}, "tags": tags}


def inputs(api: Api, run: str) -> dict[str, Any]:
    """What a run read."""
    found: dict[str, Any] = api.get("runs/get", {"run_id": run}).ok()["run"]["inputs"]
    return found


def outputs(api: Api, run: str) -> list[tuple[str, int]]:
    """The models that a run put out, with their steps."""
    found = api.get("runs/get", {"run_id": run}).ok()["run"]["outputs"].get("model_outputs", [])
    return [(x["model_id"], x["step"]) for x in found]


def contexts(api: Api, run: str) -> list[tuple[str, str, str]]:
    """Name, digest and context of the datasets that a run read."""
    return [
        (x["dataset"]["name"], x["dataset"]["digest"], "".join(tag["value"] for tag in x["tags"]))
        for x in inputs(api, run)["dataset_inputs"]
    ]


def test_a_dataset_comes_back_as_it_was_logged(api: Api) -> None:
    # Given
    run = api.run()
    full = use("training", schema='{"a": 1}', profile='{"rows": 150}')
    full["tags"].append({"key": "note", "value": "größer"})
    # When
    assert api.post("runs/log-inputs", {"run_id": run, "datasets": [full]}).ok() == {}
    # Then
    (found,) = inputs(api, run)["dataset_inputs"]
    assert found["dataset"] == {**DATASET, "schema": '{"a": 1}', "profile": '{"rows": 150}'}
    assert found["tags"] == [
        {"key": "mlflow.data.context", "value": "training"},
        {"key": "note", "value": "größer"},
    ]


def test_absent_schema_and_profile_stay_absent(api: Api) -> None:
    # Given
    run = api.run()
    # When
    api.post("runs/log-inputs", {"run_id": run, "datasets": [use()]}).ok()
    # Then
    assert inputs(api, run) == {"dataset_inputs": [{"dataset": DATASET, "tags": []}]}


def test_logging_again_changes_nothing(api: Api) -> None:
    # Given
    run = api.run()
    sent = {"run_id": run, "datasets": [use("training"), use("training")], "models": [{"model_id": "m-1"}]}
    api.post("runs/log-inputs", sent).ok()
    before = inputs(api, run)
    # When: the same again, with other facts about the dataset and with other tags of the use
    other = use("training", source="elsewhere")
    other["tags"].append({"key": "late", "value": "1"})
    api.post("runs/log-inputs", {**sent, "datasets": [other]}).ok()
    # Then
    assert inputs(api, run) == before
    assert len(before["dataset_inputs"]) == 1
    assert before["model_inputs"] == [{"model_id": "m-1"}]


def test_one_dataset_in_two_contexts_is_two_inputs(api: Api) -> None:
    # Given
    run = api.run()
    # When
    api.post("runs/log-inputs", {"run_id": run, "datasets": [use("training")]}).ok()
    api.post("runs/log-inputs", {"run_id": run, "datasets": [use("eval")]}).ok()
    # Then
    assert contexts(api, run) == [("iris", "d1", "eval"), ("iris", "d1", "training")]


def test_a_use_without_context_adds_nothing_to_one_with(api: Api) -> None:
    # Given
    run = api.run()
    # When: as clients do beside each metric on a dataset
    api.post("runs/log-inputs", {"run_id": run, "datasets": [use("training")]}).ok()
    api.post("runs/log-inputs", {"run_id": run, "datasets": [use()]}).ok()
    both = [use(name="wine"), use("eval", name="wine"), use(name="barley")]
    api.post("runs/log-inputs", {"run_id": run, "datasets": both}).ok()
    # Then
    assert sorted(contexts(api, run)) == [
        ("barley", "d1", ""),
        ("iris", "d1", "training"),
        ("wine", "d1", "eval"),
    ]


def test_a_dataset_belongs_to_its_experiment(api: Api) -> None:
    # Given: the same name and digest in two experiments
    first, second = api.run(), api.run()
    # When
    api.post("runs/log-inputs", {"run_id": first, "datasets": [use(source="a")]}).ok()
    api.post("runs/log-inputs", {"run_id": second, "datasets": [use(source="b")]}).ok()
    # Then
    sources = [inputs(api, run)["dataset_inputs"][0]["dataset"]["source"] for run in (first, second)]
    assert sources == ["a", "b"]


def test_many_datasets_in_one_request(api: Api) -> None:
    # Given
    run = api.run()
    sent = [use(name=f"part {i:04}") for i in range(1000)]
    # When
    api.post("runs/log-inputs", {"run_id": run, "datasets": sent}).ok()
    # Then
    assert [name for name, _, _ in contexts(api, run)] == [f"part {i:04}" for i in range(1000)]


def test_racing_requests_make_one_dataset(api: Api) -> None:
    # Given
    experiment = api.experiment()
    runs = [api.run(experiment) for _ in range(8)]
    # When
    replies = api.together(
        ("POST", "runs/log-inputs", {"run_id": run, "datasets": [use("training")]}) for run in runs
    )
    # Then
    assert [reply.status for reply in replies] == [200] * 8
    found = api.post(SEARCH, {"experiment_ids": [experiment]}).ok()["dataset_summaries"]
    assert len(found) == 1


def test_outputs_come_back_in_order(api: Api) -> None:
    # Given
    run = api.run()
    # When
    sent = [{"model_id": "m-2", "step": 7}, {"model_id": "m-1", "step": "3"}, {"model_id": "m-0"}]
    assert api.post("runs/outputs", {"run_id": run, "models": sent}).ok() == {}
    # Then
    assert outputs(api, run) == [("m-0", 0), ("m-1", 3), ("m-2", 7)]


def test_outputs_again_change_nothing(api: Api) -> None:
    # Given
    run = api.run()
    sent = {"run_id": run, "models": [{"model_id": "m-1", "step": 3}, {"model_id": "m-1", "step": 3}]}
    api.post("runs/outputs", sent).ok()
    # When
    api.post("runs/outputs", sent).ok()
    # Then
    assert outputs(api, run) == [("m-1", 3)]


@pytest.mark.parametrize(
    "body",
    [{}, {"datasets": []}, {"datasets": None, "models": None}, {"datasets": [], "later": 1}],
)
def test_logging_no_inputs_is_fine(api: Api, body: dict[str, Any]) -> None:
    assert api.post("runs/log-inputs", {"run_id": api.run(), **body}).ok() == {}


LONG = {
    "name": 500,
    "digest": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}


def test_the_longest_fields_are_taken(api: Api) -> None:
    for name, limit in LONG.items():
        # Given: four bytes a character, which no index may choke on
        value = ("𝒙" if limit <= 500 else "x") * limit
        run = api.run()
        # When
        api.post("runs/log-inputs", {"run_id": run, "datasets": [use(**{name: value})]}).ok()
        # Then
        assert inputs(api, run)["dataset_inputs"][0]["dataset"][name] == value


def test_longer_fields_are_refused(api: Api) -> None:
    run = api.run()
    for name, limit in LONG.items():
        # When
        datasets = [use(), use(**{name: "x" * (limit + 1)})]
        reply = api.post("runs/log-inputs", {"run_id": run, "datasets": datasets})
        # Then
        assert reply.error == (400, "INVALID_PARAMETER_VALUE")
        assert reply.field == f"datasets[1].dataset.{name}"
        assert f"{limit:,}" in reply.message


BAD_INPUTS: dict[str, tuple[Any, str]] = {
    "datasets of the wrong type": ({"datasets": "iris"}, "datasets"),
    "a dataset of the wrong type": ({"datasets": ["iris"]}, "datasets[0]"),
    "no dataset": ({"datasets": [use(), {"tags": []}]}, "datasets[1].dataset"),
    "no name": ({"datasets": [{"dataset": {**DATASET, "name": None}}]}, "datasets[0].dataset.name"),
    "an empty name": ({"datasets": [use(name="")]}, "datasets[0].dataset.name"),
    "no digest": ({"datasets": [use(digest=None)]}, "datasets[0].dataset.digest"),
    "no source type": ({"datasets": [use(source_type=None)]}, "datasets[0].dataset.source_type"),
    "no source": ({"datasets": [use(source=None)]}, "datasets[0].dataset.source"),
    "a source of the wrong type": ({"datasets": [use(source={"uri": "x"})]}, "datasets[0].dataset.source"),
    "a NUL": ({"datasets": [use(profile="a\0b")]}, "datasets[0].dataset.profile"),
    "a tag without key": (
        {"datasets": [{"dataset": DATASET, "tags": [{"value": "x"}]}]},
        "datasets[0].tags[0].key",
    ),
    "a long tag key": (
        {"datasets": [{"dataset": DATASET, "tags": [{"key": "k" * 256, "value": "x"}]}]},
        "datasets[0].tags[0].key",
    ),
    "a long tag value": ({"datasets": [use("v" * 501)]}, "datasets[0].tags[0].value"),
    "a tag twice": (
        {
            "datasets": [
                {"dataset": DATASET, "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}
            ]
        },
        "datasets[0].tags",
    ),
    "a model without id": ({"models": [{"model_id": "m-1"}, {}]}, "models[1].model_id"),
    "a long model id": ({"models": [{"model_id": "m" * 257}]}, "models[0].model_id"),
    "too many datasets": ({"datasets": [use()] * 1001}, "datasets"),
    "too many models": ({"models": [{"model_id": "m-1"}] * 1001}, "models"),
}


def test_bad_inputs_are_refused_whole(api: Api) -> None:
    # Given
    run = api.run()
    # When
    replies = {
        name: api.post("runs/log-inputs", {"run_id": run, **body}) for name, (body, _) in BAD_INPUTS.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_INPUTS.items()})
    assert inputs(api, run) == {}


BAD_OUTPUTS: dict[str, tuple[Any, str]] = {
    "no models": ({}, "models"),
    "models of the wrong type": ({"models": {"model_id": "m-1"}}, "models"),
    "no id": ({"models": [{"model_id": "m-1"}, {"step": 1}]}, "models[1].model_id"),
    "a step of the wrong type": ({"models": [{"model_id": "m-1", "step": "one"}]}, "models[0].step"),
    "a step beyond 64 bits": ({"models": [{"model_id": "m-1", "step": 2**63}]}, "models[0].step"),
}


def test_bad_outputs_are_refused_whole(api: Api) -> None:
    # Given
    run = api.run()
    # When
    replies = {
        name: api.post("runs/outputs", {"run_id": run, **body}) for name, (body, _) in BAD_OUTPUTS.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_OUTPUTS.items()})
    assert outputs(api, run) == []


@pytest.mark.parametrize("path", ["runs/log-inputs", "runs/outputs"])
def test_only_active_runs_take_inputs_and_outputs(api: Api, path: str) -> None:
    # Given
    run = api.run()
    api.post("runs/delete", {"run_id": run}).ok()
    # Then
    assert api.post(path, {"models": []}).error == (400, "INVALID_PARAMETER_VALUE")
    assert api.post(path, {"run_id": "none", "models": []}).error == (404, "RESOURCE_DOES_NOT_EXIST")
    deleted = api.post(path, {"run_id": run, "models": []})
    assert deleted.error == (400, "INVALID_PARAMETER_VALUE")
    assert "'active' state" in deleted.message


def test_datasets_of_experiments(api: Api) -> None:
    # Given
    first, second = api.experiment(), api.experiment()
    for experiment, datasets in (
        (first, [use("training")]),
        (first, [use("training"), use("eval"), use(name="wine")]),
        (second, [use("training")]),
    ):
        api.post("runs/log-inputs", {"run_id": api.run(experiment), "datasets": datasets}).ok()
    # When
    found = api.post(SEARCH, {"experiment_ids": [first, "987654"]}).ok()["dataset_summaries"]
    # Then: each once per context, newest first; no context where none was given
    assert found == [
        {"experiment_id": first, "name": "wine", "digest": "d1"},
        {"experiment_id": first, "name": "iris", "digest": "d1", "context": "eval"},
        {"experiment_id": first, "name": "iris", "digest": "d1", "context": "training"},
    ]
    both = api.post(SEARCH, {"experiment_ids": [first, second]}).ok()["dataset_summaries"]
    assert len(both) == 4


def test_an_experiment_without_datasets(api: Api) -> None:
    assert api.post(SEARCH, {"experiment_ids": [api.experiment()]}).ok() == {}


def test_the_newest_thousand_datasets_are_listed(api: Api) -> None:
    # Given
    experiment = api.experiment()
    run = api.run(experiment)
    for half in (range(700), range(700, 1400)):
        sent = [use(name=f"part {i:04}") for i in half]
        api.post("runs/log-inputs", {"run_id": run, "datasets": sent}).ok()
    # When
    found = api.post(SEARCH, {"experiment_ids": [experiment]}).ok()["dataset_summaries"]
    # Then
    assert [x["name"] for x in found] == [f"part {i:04}" for i in range(1399, 399, -1)]


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        (None, "experiment_ids"),
        ([], "experiment_ids"),
        (["1"] * 21, "experiment_ids"),
        (["1", "x"], "experiment_ids[1]"),
    ],
)
def test_bad_experiments_are_refused(api: Api, ids: list[str] | None, field: str) -> None:
    reply = api.post(SEARCH, {"experiment_ids": ids})
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == field


@pytest.mark.parametrize(
    "address",
    [
        "/ajax-api/2.0/mlflow/experiments/search-datasets",
        "/ajax-api/3.0/mlflow/experiments/search-datasets",
        "/api/3.0/mlflow/experiments/search-datasets",
        # As MLflow's protocol spells it.
        "/api/2.0mlflow/experiments/search-datasets",
        "/ajax-api/2.0mlflow/experiments/search-datasets",
    ],
)
def test_search_answers_at_every_address(api: Api, address: str) -> None:
    # Given
    experiment = api.experiment()
    api.post("runs/log-inputs", {"run_id": api.run(experiment), "datasets": [use()]}).ok()
    # Then
    assert len(api.post(address, {"experiment_ids": [experiment]}).ok()["dataset_summaries"]) == 1


@pytest.mark.parametrize("prefix", ["/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"])
def test_twins_take_inputs_and_outputs(api: Api, prefix: str) -> None:
    # Given
    run = api.run()
    # When
    api.post(f"{prefix}/mlflow/runs/log-inputs", {"run_id": run, "datasets": [use()]}).ok()
    api.post(f"{prefix}/mlflow/runs/outputs", {"run_id": run, "models": [{"model_id": "m-1"}]}).ok()
    # Then
    assert len(inputs(api, run)["dataset_inputs"]) == 1
    assert outputs(api, run) == [("m-1", 0)]
