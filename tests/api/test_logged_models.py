"""logged-models: create, get, finalize, delete, tags, params."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")


def create(api: Api, experiment: str | None = None, **fields: Any) -> dict[str, Any]:
    """A new model as the server answers it."""
    sent = {"experiment_id": experiment or api.experiment(), **fields}
    model: dict[str, Any] = api.post("logged-models", sent).ok()["model"]
    return model


def new(api: Api, experiment: str | None = None, **fields: Any) -> str:
    """A new model's id."""
    return str(create(api, experiment, **fields)["info"]["model_id"])


def get(api: Api, model: str, **query: str) -> dict[str, Any]:
    """A model as the server answers it."""
    found: dict[str, Any] = api.get(f"logged-models/{model}", query).ok()["model"]
    return found


def pairs(entries: list[dict[str, str]]) -> dict[str, str]:
    """Tags or params as a dict."""
    return {entry["key"]: entry["value"] for entry in entries}


def test_a_new_model_is_pending(api: Api) -> None:
    # Given
    experiment = api.experiment()
    # When
    model = create(
        api,
        experiment,
        name="forest",
        model_type="agent",
        source_run_id="r1",
        params=[{"key": "depth", "value": "3"}, {"key": "Alpha", "value": "größer"}],
        tags=[{"key": "team", "value": "a"}, {"key": "any key? yes: /=", "value": ""}],
    )
    # Then
    info = model["info"]
    assert info["model_id"].startswith("m-")
    assert info["creation_timestamp_ms"] == info["last_updated_timestamp_ms"]
    assert model == {
        "info": {
            "model_id": info["model_id"],
            "experiment_id": experiment,
            "name": "forest",
            "creation_timestamp_ms": info["creation_timestamp_ms"],
            "last_updated_timestamp_ms": info["creation_timestamp_ms"],
            "artifact_uri": f"mlflow-artifacts:/default/{experiment}/models/{info['model_id']}/artifacts",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": "agent",
            "source_run_id": "r1",
            "tags": [{"key": "any key? yes: /=", "value": ""}, {"key": "team", "value": "a"}],
        },
        "data": {"params": [{"key": "Alpha", "value": "größer"}, {"key": "depth", "value": "3"}]},
    }
    assert get(api, info["model_id"]) == model


def test_a_model_needs_nothing_but_its_experiment(api: Api) -> None:
    # When
    models = [create(api, name=name) for name in (None, "")]
    # Then: each has a generated name
    for model in models:
        assert model["info"]["name"]
        assert (model["info"]["model_type"], model["info"]["source_run_id"]) == ("", "")
        assert model["data"] == {}
    assert models[0]["info"]["model_id"] != models[1]["info"]["model_id"]


def test_artifacts_lie_under_the_experiments_own_location(api: Api) -> None:
    # Given
    experiment = api.experiment(artifact_location="s3://bucket/here/")
    # When
    info = create(api, experiment)["info"]
    # Then
    assert info["artifact_uri"] == f"s3://bucket/here/models/{info['model_id']}/artifacts"


def test_the_last_tag_of_a_key_wins(api: Api) -> None:
    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    assert pairs(create(api, tags=twice)["info"]["tags"]) == {"a": "2"}


BAD_MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "no experiment": ({"experiment_id": None}, "experiment_id"),
    "an experiment that is no number": ({"experiment_id": "abc"}, "experiment_id"),
    "a name of the wrong type": ({"name": 3}, "name"),
    "a long name": ({"name": "n" * 501}, "name"),
    **{f"a name with {c}": ({"name": f"a{c}b"}, "name") for c in "/:.%\"'\0"},
    "a long type": ({"model_type": "t" * 501}, "model_type"),
    "a long source run": ({"source_run_id": "r" * 257}, "source_run_id"),
    "params of the wrong type": ({"params": {"a": "1"}}, "params"),
    "a param without key": ({"params": [{"value": "1"}]}, "params[0].key"),
    "a long param key": ({"params": [{"key": "k" * 256, "value": "1"}]}, "params[0].key"),
    "a long param": ({"params": [{"key": "k", "value": "v" * 65_536}]}, "params[0].value"),
    "a param twice": ({"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]}, "params"),
    "too many params": ({"params": [{"key": f"k{i}", "value": "1"} for i in range(1001)]}, "params"),
    "a tag without key": ({"tags": [{"key": "a", "value": "1"}, {}]}, "tags[1].key"),
    "a long tag": ({"tags": [{"key": "k", "value": "v" * 65_536}]}, "tags[0].value"),
    "a tag of the wrong type": ({"tags": [{"key": "k", "value": 1}]}, "tags[0].value"),
}


def test_bad_models_are_refused(api: Api) -> None:
    # Given
    experiment = api.experiment()
    # When
    replies = {
        name: api.post("logged-models", {"experiment_id": experiment, **fields})
        for name, (fields, _) in BAD_MODELS.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_MODELS.items()})
    assert api.post("logged-models/search", {"experiment_ids": [experiment]}).ok() == {}


def test_only_active_experiments_take_models(api: Api) -> None:
    # Given
    experiment = api.experiment()
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # When
    deleted = api.post("logged-models", {"experiment_id": experiment})
    # Then
    assert deleted.error == INVALID
    assert "'active' state" in deleted.message
    assert api.post("logged-models", {"experiment_id": "987654"}).error == MISSING


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("LOGGED_MODEL_READY", "LOGGED_MODEL_READY"),
        ("LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_UPLOAD_FAILED"),
        ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_PENDING"),
        (2, "LOGGED_MODEL_READY"),
        ("3", "LOGGED_MODEL_UPLOAD_FAILED"),
    ],
)
def test_finalizing_sets_the_status(api: Api, sent: object, shown: str) -> None:
    # Given
    before = create(api, params=[{"key": "a", "value": "1"}])
    model = before["info"]["model_id"]
    # When
    after = api.patch(f"logged-models/{model}", {"model_id": model, "status": sent}).ok()["model"]
    # Then
    updated = after["info"]["last_updated_timestamp_ms"]
    assert updated >= before["info"]["last_updated_timestamp_ms"]
    changed = {**before["info"], "status": shown, "last_updated_timestamp_ms": updated}
    assert after == {**before, "info": changed}
    assert get(api, model) == after


def test_unknown_statuses_are_refused(api: Api) -> None:
    # Given
    model = new(api)
    for status in (None, "READY", "LOGGED_MODEL_STATUS_UNSPECIFIED", 0, 9, -1, "", [2]):
        # When
        reply = api.patch(f"logged-models/{model}", {"model_id": model, "status": status})
        # Then
        assert (reply.error, reply.field) == (INVALID, "status")
    assert get(api, model)["info"]["status"] == "LOGGED_MODEL_PENDING"


def test_a_deleted_model_is_shown_only_on_request(api: Api) -> None:
    # Given
    experiment = api.experiment()
    model = new(api, experiment)
    # When
    assert api.delete(f"logged-models/{model}", {"model_id": model}).ok() == {}
    # Then
    gone = api.get(f"logged-models/{model}")
    assert gone.error == MISSING
    assert model in gone.message
    assert api.get(f"logged-models/{model}", {"allow_deleted": "false"}).error == MISSING
    assert get(api, model, allow_deleted="true")["info"]["model_id"] == model
    assert api.post("logged-models/search", {"experiment_ids": [experiment]}).ok() == {}


def test_deleting_again_changes_nothing(api: Api) -> None:
    # Given
    model = new(api)
    api.delete(f"logged-models/{model}").ok()
    before = get(api, model, allow_deleted="true")
    # When
    api.delete(f"logged-models/{model}").ok()
    # Then
    assert get(api, model, allow_deleted="true") == before


def test_tags_are_set_and_deleted(api: Api) -> None:
    # Given
    model = new(api, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "1"}])
    # When
    sent = [
        {"key": "c/d", "value": "3"},
        {"key": "b", "value": "x"},
        {"key": "b", "value": "2"},
        {"key": "with space", "value": ""},
    ]
    assert api.patch(f"logged-models/{model}/tags", {"tags": sent}).ok() == {}
    # Then
    expected = {"a": "1", "b": "2", "c/d": "3", "with space": ""}
    assert pairs(get(api, model)["info"]["tags"]) == expected
    # When
    for key in ("c/d", "with%20space", "a"):
        assert api.delete(f"logged-models/{model}/tags/{key}").ok() == {}
    # Then
    assert pairs(get(api, model)["info"]["tags"]) == {"b": "2"}


def test_deleting_a_tag_that_isnt_there(api: Api) -> None:
    # Given: a key that no model has, and one that only another has
    model = new(api)
    new(api, tags=[{"key": "other", "value": "1"}])
    for key in ("never", "other"):
        reply = api.delete(f"logged-models/{model}/tags/{key}")
        assert reply.error == MISSING
        assert key in reply.message


@pytest.mark.parametrize("body", [{}, {"tags": []}, {"tags": None}])
def test_setting_no_tags_is_fine(api: Api, body: dict[str, Any]) -> None:
    assert api.patch(f"logged-models/{new(api)}/tags", body).ok() == {}


def test_params_are_added(api: Api) -> None:
    # Given
    model = new(api, params=[{"key": "a", "value": "1"}])
    # When: one of them is there already
    sent = [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]
    for _ in range(2):
        assert api.post(f"logged-models/{model}/params", {"model_id": model, "params": sent}).ok() == {}
    # Then
    assert pairs(get(api, model)["data"]["params"]) == {"a": "1", "b": "2"}


def test_params_cant_change(api: Api) -> None:
    # Given
    model = new(api, params=[{"key": "a", "value": "1"}])
    # When
    sent = [{"key": "b", "value": "2"}, {"key": "a", "value": "9"}]
    reply = api.post(f"logged-models/{model}/params", {"params": sent})
    # Then: nothing of the request is kept
    assert reply.error == INVALID
    assert "'a'" in reply.message
    assert pairs(get(api, model)["data"]["params"]) == {"a": "1"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"status": "LOGGED_MODEL_READY"}),
        ("DELETE", "", None),
        ("PATCH", "/tags", {"tags": [{"key": "a", "value": "1"}]}),
        ("DELETE", "/tags/a", None),
        ("POST", "/params", {"params": [{"key": "a", "value": "1"}]}),
    ],
)
def test_unknown_models_are_refused(api: Api, method: str, path: str, body: object) -> None:
    # Given
    new(api, tags=[{"key": "a", "value": "1"}])
    # When
    reply = api.request(method, f"logged-models/m-none{path}", body)
    # Then
    assert reply.error == MISSING
    assert "'m-none'" in reply.message


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"status": "LOGGED_MODEL_READY"}),
        ("PATCH", "/tags", {"tags": [{"key": "a", "value": "1"}]}),
        ("POST", "/params", {"params": [{"key": "a", "value": "1"}]}),
    ],
)
def test_address_and_body_must_name_one_model(api: Api, method: str, path: str, body: dict[str, Any]) -> None:
    # Given
    model, other = new(api), new(api)
    # When
    reply = api.request(method, f"logged-models/{model}{path}", {**body, "model_id": other})
    # Then
    assert reply.error == INVALID
    assert reply.field == "model_id"


@pytest.mark.parametrize("prefix", ["/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"])
def test_twins_do_the_same(api: Api, prefix: str) -> None:
    # Given
    at = f"{prefix}/mlflow/logged-models"
    experiment = api.experiment()
    model = api.post(at, {"experiment_id": experiment}).ok()["model"]["info"]["model_id"]
    # When
    api.patch(f"{at}/{model}/tags", {"tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]}).ok()
    api.delete(f"{at}/{model}/tags/a").ok()
    api.post(f"{at}/{model}/params", {"params": [{"key": "p", "value": "1"}]}).ok()
    api.patch(f"{at}/{model}", {"status": "LOGGED_MODEL_READY"}).ok()
    # Then
    found = api.get(f"{at}/{model}").ok()["model"]
    assert found == get(api, model)
    assert pairs(found["info"]["tags"]) == {"b": "1"}
    assert api.post(f"{at}/search", {"experiment_ids": [experiment]}).ok() == {"models": [found]}
    api.delete(f"{at}/{model}").ok()
    assert api.get(f"{at}/{model}").error == MISSING


def test_racing_params_have_one_winner(api: Api) -> None:
    # Given
    model = new(api)
    # When
    replies = api.together(
        ("POST", f"logged-models/{model}/params", {"params": [{"key": "a", "value": str(i)}]})
        for i in range(8)
    )
    # Then
    winners = [i for i, reply in enumerate(replies) if reply.status == 200]
    assert len(winners) == 1
    assert {reply.error for i, reply in enumerate(replies) if i not in winners} == {INVALID}
    assert pairs(get(api, model)["data"]["params"]) == {"a": str(winners[0])}
