"""Metrics that measure logged models: logged by runs, shown with the model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, Reply
from tests.api.test_logged_models import INVALID, MISSING, get, new


def measure(api: Api, run: str, model: str | None, **point: Any) -> Reply:
    """Log one point of `acc` that measures a model."""
    sent = {"run_id": run, "key": "acc", "value": 0.5, "timestamp": 1, "model_id": model, **point}
    return api.post("runs/log-metric", sent)


def test_points_that_measure_a_model(api: Api) -> None:
    # Given: a run of another experiment than the model's
    model, run = new(api), api.run()
    # When
    measure(api, run, model, step=2, timestamp=5).ok()
    measure(api, run, model, value="NaN", timestamp=6).ok()
    points: list[dict[str, Any]] = [
        {"key": "loss", "value": 1, "timestamp": 1, "model_id": model, "dataset_name": "d"},
        {"key": "loss", "value": 2, "timestamp": 1, "model_id": model, "dataset_name": "d"}
        | {"dataset_digest": "x"},
        {"key": "loss", "value": "-Infinity", "timestamp": 0, "step": 3, "model_id": model},
        {"key": "own", "value": 4, "timestamp": 1},
    ]
    api.post("runs/log-batch", {"run_id": run, "metrics": points}).ok()
    # Then
    both = {"model_id": model, "run_id": run}
    assert get(api, model)["data"]["metrics"] == [
        {"key": "acc", "value": 0.5, "timestamp": 5, "step": 2, **both},
        {"key": "acc", "value": "NaN", "timestamp": 6, "step": 0, **both},
        {"key": "loss", "value": "-Infinity", "timestamp": 0, "step": 3, **both},
        {"key": "loss", "value": 1.0, "timestamp": 1, "step": 0, **both, "dataset_name": "d"},
        {"key": "loss", "value": 2.0, "timestamp": 1, "step": 0, **both, "dataset_name": "d"}
        | {"dataset_digest": "x"},
    ]
    # And they are the run's own as well
    metrics = api.get("runs/get", {"run_id": run}).ok()["run"]["data"]["metrics"]
    assert {metric["key"] for metric in metrics} == {"acc", "loss", "own"}


def test_a_point_again_changes_nothing(api: Api) -> None:
    # Given
    model, run = new(api), api.run()
    measure(api, run, model).ok()
    before = get(api, model)
    # When
    measure(api, run, model).ok()
    # Then
    assert get(api, model) == before
    assert len(before["data"]["metrics"]) == 1


@pytest.mark.parametrize(
    ("values", "kept"), [([0.5, 0.7], 0.7), ([0.7, 0.5], 0.7), ([0.7, "NaN"], 0.7), (["NaN", -1], "NaN")]
)
def test_the_greater_of_two_values_at_one_place_is_kept(api: Api, values: list[object], kept: object) -> None:
    # Given
    model, run = new(api), api.run()
    # When
    for value in values:
        measure(api, run, model, value=value).ok()
    # Then
    assert [point["value"] for point in get(api, model)["data"]["metrics"]] == [kept]


def test_a_point_of_an_unknown_model_is_refused_whole(api: Api) -> None:
    # Given
    model, run = new(api), api.run()
    # When
    one = measure(api, run, "m-none")
    points = [
        {"key": "a", "value": 1, "timestamp": 1, "model_id": model},
        {"key": "b", "value": 1, "timestamp": 1, "model_id": "m-none"},
    ]
    params = [{"key": "p", "value": "1"}]
    batch = api.post("runs/log-batch", {"run_id": run, "metrics": points, "params": params})
    # Then
    assert (one.error, one.field) == (MISSING, "model_id")
    assert (batch.error, batch.field) == (MISSING, "metrics[1].model_id")
    assert "metrics" not in get(api, model)["data"]
    data = api.get("runs/get", {"run_id": run}).ok()["run"]["data"]
    assert "metrics" not in data
    assert "params" not in data


def test_a_dataset_without_a_model_is_passed_over(api: Api) -> None:
    # Given
    run = api.run()
    # When
    measure(api, run, None, dataset_name="d", dataset_digest="x").ok()
    # Then
    (metric,) = api.get("runs/get", {"run_id": run}).ok()["run"]["data"]["metrics"]
    assert metric == {"key": "acc", "value": 0.5, "timestamp": 1, "step": 0}


def test_a_deleted_model_can_still_be_measured(api: Api) -> None:
    # Given
    model = new(api)
    api.delete(f"logged-models/{model}").ok()
    # When
    measure(api, api.run(), model).ok()
    # Then
    assert len(get(api, model, allow_deleted="true")["data"]["metrics"]) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model_id": "m" * 257}, "model_id"),
        ({"dataset_name": "n" * 501}, "dataset_name"),
        ({"dataset_digest": "d" * 37}, "dataset_digest"),
        ({"dataset_name": "a\0b"}, "dataset_name"),
        ({"dataset_name": 3}, "dataset_name"),
    ],
)
def test_bad_origins_are_refused(api: Api, fields: dict[str, Any], field: str) -> None:
    # Given
    model, run = new(api), api.run()
    # When
    one = measure(api, run, model, **fields)
    point = {"key": "acc", "value": 1, "timestamp": 1, "model_id": model, **fields}
    batch = api.post("runs/log-batch", {"run_id": run, "metrics": [{**point, "dataset_name": ""}, point]})
    # Then
    assert (one.error, one.field) == (INVALID, field)
    assert batch.error == INVALID
    assert batch.field in (f"metrics[0].{field}", f"metrics[1].{field}")


def test_the_longest_origin_is_taken(api: Api) -> None:
    # Given: four bytes a character, which no index may choke on
    model, run = new(api), api.run()
    name, digest, key = "𝒙" * 500, "𝒚" * 36, "k" * 250
    # When
    measure(api, run, model, key=key, dataset_name=name, dataset_digest=digest).ok()
    # Then
    (point,) = get(api, model)["data"]["metrics"]
    assert (point["key"], point["dataset_name"], point["dataset_digest"]) == (key, name, digest)
