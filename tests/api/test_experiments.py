"""experiments/create, get, get-by-name, update, delete, restore, and the tags of experiments."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api, assert_refused

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")


def get(api: Api, experiment: str) -> dict[str, Any]:
    """An experiment as the server answers it."""
    found: dict[str, Any] = api.get("experiments/get", {"experiment_id": experiment}).ok()["experiment"]
    return found


def by_name(api: Api, name: str) -> dict[str, Any]:
    """An experiment as the server answers it."""
    query = {"experiment_name": name}
    found: dict[str, Any] = api.get("experiments/get-by-name", query).ok()["experiment"]
    return found


def tags(api: Api, experiment: str) -> dict[str, str]:
    """An experiment's tags."""
    return {tag["key"]: tag["value"] for tag in get(api, experiment).get("tags", [])}


def stage(api: Api, run: str) -> str:
    """A run's lifecycle."""
    return str(api.get("runs/get", {"run_id": run}).ok()["run"]["info"]["lifecycle_stage"])


def test_a_new_experiment_comes_back_as_it_was_sent(api: Api) -> None:
    # Given
    sent = {
        "name": "größer/ä",
        "tags": [{"key": "b", "value": "ü"}, {"key": "a"}, {"key": "b", "value": "2"}],
    }
    # When
    experiment = api.post("experiments/create", sent).ok()["experiment_id"]
    # Then
    found = get(api, experiment)
    assert found == by_name(api, "größer/ä")
    assert found["creation_time"] == found["last_update_time"] > 1_700_000_000_000
    assert {key: found[key] for key in found if "time" not in key} == {
        "experiment_id": experiment,
        "name": "größer/ä",
        "artifact_location": f"mlflow-artifacts:/default/{experiment}",
        "lifecycle_stage": "active",
        "tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}],
    }


def test_experiment_0_is_there_from_the_beginning(api: Api) -> None:
    found = get(api, "0")
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")
    assert found["artifact_location"] == "mlflow-artifacts:/default/0"


def test_a_name_that_is_a_path_ignores_the_trailing_slash(api: Api) -> None:
    # Given
    experiment = api.experiment("/Shared/team/x/")
    # Then
    assert get(api, experiment)["name"] == "/Shared/team/x"
    assert by_name(api, "/Shared/team/x")["experiment_id"] == experiment
    assert by_name(api, "/Shared/team/x/")["experiment_id"] == experiment
    assert api.post("experiments/create", {"name": "/Shared/team/x"}).error == TAKEN
    # Then: a name that is no path is taken as it is
    other = api.experiment("team/x/")
    assert get(api, other)["name"] == "team/x/"
    assert api.get("experiments/get-by-name", {"experiment_name": "team/x"}).error == MISSING


def test_a_name_is_taken_once(api: Api) -> None:
    # Given
    api.experiment("taken")
    other = api.experiment("other")
    # Then
    for path, sent in (
        ("create", {"name": "taken"}),
        ("update", {"experiment_id": other, "new_name": "taken"}),
    ):
        reply = api.post(f"experiments/{path}", sent)
        assert reply.error == TAKEN
        assert "name=taken" in reply.message
    assert get(api, other)["name"] == "other"


def test_one_of_two_clients_that_create_the_same_name_wins(api: Api) -> None:
    # When
    replies = api.together([("POST", "experiments/create", {"name": "race"})] * 8)
    # Then
    (won,) = [reply for reply in replies if reply.status == 200]
    assert {reply.error for reply in replies if reply is not won} == {TAKEN}
    assert by_name(api, "race")["experiment_id"] == won.body["experiment_id"]


BAD_EXPERIMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({}, "name"),
    "empty name": ({"name": ""}, "name"),
    "null name": ({"name": None}, "name"),
    "blank name": ({"name": " "}, "name"),
    "a slash alone": ({"name": "/"}, "name"),
    "a number as name": ({"name": 5}, "name"),
    "long name": ({"name": "x" * 501}, "name"),
    "tag without key": ({"name": "n", "tags": [{"value": "x"}]}, "tags[0].key"),
    "long tag key": ({"name": "n", "tags": [{"key": "a"}, {"key": "k" * 251}]}, "tags[1].key"),
    "odd tag key": ({"name": "n", "tags": [{"key": "a?b"}]}, "tags[0].key"),
    "long tag": ({"name": "n", "tags": [{"key": "k", "value": "v" * 20_001}]}, "tags[0].value"),
    "tags as an object": ({"name": "n", "tags": {"a": "b"}}, "tags"),
}
BAD_LOCATIONS = [
    "s3://b/p#f",
    "s3://b/../p",
    "s3://b/%2e%2E/p",
    "s3://b/%252e%252e/p",
    "s3://b/p?x=../y",
    "file:..\\p",
    "..",
    "x" * 2049,
    "runs:/abc/x",
    "mlflow-artifacts:/x",
    "MLFLOW-ARTIFACTS://host/x",
]


def test_what_create_refuses(api: Api) -> None:
    # When
    replies = {name: api.post("experiments/create", sent) for name, (sent, _) in BAD_EXPERIMENTS.items()}
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_EXPERIMENTS.items()})
    # When
    replies = {
        location: api.post("experiments/create", {"name": "n", "artifact_location": location})
        for location in BAD_LOCATIONS
    }
    # Then
    assert_refused(replies, dict.fromkeys(BAD_LOCATIONS, "artifact_location"))
    assert [x["name"] for x in api.post("experiments/search", {}).ok()["experiments"]] == ["Default"]


LOCATIONS = {
    "s3://bucket/p": "s3://bucket/p/{}/artifacts",
    "s3://bucket/p/": "s3://bucket/p/{}/artifacts",
    "s3://bucket/p?region=eu": "s3://bucket/p/{}/artifacts?region=eu",
    "/mnt/share": "/mnt/share/{}/artifacts",
    "file:///mnt/share//": "file:///mnt/share/{}/artifacts",
    "wasbs://c@a.example/x": "wasbs://c@a.example/x/{}/artifacts",
}


def test_runs_keep_their_artifacts_below_the_location_that_was_chosen(api: Api) -> None:
    for location, below in LOCATIONS.items():
        # Given
        experiment = api.experiment(artifact_location=location)
        # When
        created = api.post("runs/create", {"experiment_id": experiment}).ok()["run"]["info"]
        model = api.post("logged-models", {"experiment_id": experiment}).ok()["model"]["info"]
        # Then
        assert get(api, experiment)["artifact_location"] == location
        assert created["artifact_uri"] == below.format(created["run_id"])
        found = api.get("runs/get", {"run_id": created["run_id"]}).ok()["run"]["info"]
        assert found["artifact_uri"] == created["artifact_uri"]
        (searched,) = api.post("runs/search", {"experiment_ids": [experiment]}).ok()["runs"]
        assert searched["info"]["artifact_uri"] == created["artifact_uri"]
        assert model["artifact_uri"] == below.format(f"models/{model['model_id']}")


def test_renaming(api: Api) -> None:
    # Given
    experiment = api.experiment("before")
    # When
    assert api.post("experiments/update", {"experiment_id": experiment, "new_name": "/after/"}).ok() == {}
    # Then
    found = by_name(api, "/after")
    assert (found["experiment_id"], found["name"]) == (experiment, "/after")
    assert found["last_update_time"] >= found["creation_time"]
    assert api.get("experiments/get-by-name", {"experiment_name": "before"}).error == MISSING
    # Then: its own name is free for it
    api.post("experiments/update", {"experiment_id": experiment, "new_name": "/after"}).ok()
    # Then
    for name in (None, "", " ", "x" * 501):
        reply = api.post("experiments/update", {"experiment_id": experiment, "new_name": name})
        assert reply.error == INVALID
    assert by_name(api, "/after")["experiment_id"] == experiment


CHANGES: dict[str, dict[str, str]] = {
    "update": {"new_name": "x"},
    "delete": {},
    "restore": {},
    "set-experiment-tag": {"key": "a", "value": "b"},
    "delete-experiment-tag": {"key": "a"},
}
NOBODY = ["999999", "9" * 18]
NO_ID = ["9" * 19, "abc", "-1", "1.0", "٣", " 1", "", None, 0]


def test_every_change_needs_an_experiment_that_exists(api: Api) -> None:
    for path, sent in CHANGES.items():
        for ids, error in ((NOBODY, MISSING), (NO_ID, INVALID)):
            # When
            replies = {
                f"{path} {i}": api.post(f"experiments/{path}", {"experiment_id": i, **sent}) for i in ids
            }
            # Then
            assert_refused(replies, dict.fromkeys(replies, "experiment_id"), error)


def test_looking_up_what_does_not_exist(api: Api) -> None:
    for query, expected in (
        ({"experiment_id": "999999"}, MISSING),
        ({"experiment_id": "x"}, INVALID),
        ({}, INVALID),
    ):
        assert api.get("experiments/get", query).error == expected
    for query, expected in (
        ({"experiment_name": "nobody"}, MISSING),
        ({"experiment_name": ""}, INVALID),
        ({"experiment_name": "x" * 501}, INVALID),
        ({}, INVALID),
    ):
        assert api.get("experiments/get-by-name", query).error == expected


def test_a_deleted_experiment_can_be_seen_and_not_changed(api: Api) -> None:
    # Given
    experiment = api.experiment("gone", tags=[{"key": "a", "value": "1"}])
    run = api.run(experiment)
    # When
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # Then
    assert get(api, experiment) == by_name(api, "gone")
    assert get(api, experiment)["lifecycle_stage"] == "deleted"
    assert stage(api, run) == "deleted"
    for path, sent in (
        ("experiments/update", {"new_name": "x"}),
        ("experiments/set-experiment-tag", {"key": "a", "value": "2"}),
        ("experiments/delete-experiment-tag", {"key": "a"}),
        ("runs/create", {}),
        ("logged-models", {}),
    ):
        reply = api.post(path, {"experiment_id": experiment, **sent})
        assert reply.error == INVALID
        assert "restore it first" in reply.message.lower()
    assert api.post("experiments/delete", {"experiment_id": experiment}).error == MISSING
    assert tags(api, experiment) == {"a": "1"}


def test_restoring_brings_back_the_runs_that_went_with_the_experiment(api: Api) -> None:
    # Given
    experiment, other = api.experiment(), api.experiment()
    before, with_it, elsewhere = api.run(experiment), api.run(experiment), api.run(other)
    for run in (before, elsewhere):
        api.post("runs/delete", {"run_id": run}).ok()
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # When
    assert api.post("experiments/restore", {"experiment_id": experiment}).ok() == {}
    # Then
    assert get(api, experiment)["lifecycle_stage"] == "active"
    assert [stage(api, run) for run in (before, with_it, elsewhere)] == ["deleted", "active", "deleted"]
    assert api.post("experiments/restore", {"experiment_id": experiment}).error == MISSING
    # Then: a second round does the same
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    assert stage(api, with_it) == "deleted"
    api.post("experiments/restore", {"experiment_id": experiment}).ok()
    assert [stage(api, run) for run in (before, with_it)] == ["deleted", "active"]


def test_the_default_experiment_can_go_and_come_back(api: Api) -> None:
    # When
    api.post("experiments/delete", {"experiment_id": "0"}).ok()
    # Then
    assert api.post("runs/create", {}).error == INVALID
    # When
    api.post("experiments/restore", {"experiment_id": "0"}).ok()
    # Then
    assert api.post("runs/create", {}).ok()["run"]["info"]["experiment_id"] == "0"


def test_tags(api: Api) -> None:
    # Given
    experiment = api.experiment()
    # When
    for key, value in (("a", "1"), ("b", "v" * 20_000), ("a", "größer\n"), ("c", None), ("d/e:f g.-", "")):
        sent = {"experiment_id": experiment, "key": key, "value": value}
        assert api.post("experiments/set-experiment-tag", sent).ok() == {}
    # Then
    assert tags(api, experiment) == {"a": "größer\n", "b": "v" * 20_000, "c": "", "d/e:f g.-": ""}
    # When
    assert api.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "a"}).ok() == {}
    # Then
    assert sorted(tags(api, experiment)) == ["b", "c", "d/e:f g.-"]
    for key in ("a", "never", "a?b", "x" * 300):
        sent = {"experiment_id": experiment, "key": key}
        assert api.post("experiments/delete-experiment-tag", sent).error == MISSING


BAD_TAGS: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"value": "x"}, "key"),
    "empty key": ({"key": "", "value": "x"}, "key"),
    "long key": ({"key": "k" * 251, "value": "x"}, "key"),
    "odd path": ({"key": "../x", "value": "x"}, "key"),
    "long value": ({"key": "k", "value": "v" * 20_001}, "value"),
    "a number": ({"key": "k", "value": 5}, "value"),
}


def test_what_set_experiment_tag_refuses(api: Api) -> None:
    # When
    replies = {
        name: api.post("experiments/set-experiment-tag", {"experiment_id": "0", **sent})
        for name, (sent, _) in BAD_TAGS.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_TAGS.items()})
    assert tags(api, "0") == {}


def test_list_is_a_search_without_a_filter(api: Api) -> None:
    # Given an active and a deleted experiment
    active, deleted = api.experiment(), api.experiment()
    api.post("experiments/delete", {"experiment_id": deleted}).ok()
    # When a client of MLflow 1 lists them
    listed = api.get("experiments/list", {"max_results": 1}).ok()
    rest = api.get("experiments/list", {"max_results": 9, "page_token": listed["next_page_token"]}).ok()
    gone = api.get("experiments/list", {"view_type": "DELETED_ONLY"}).ok()
    # Then it gets pages of the active ones, and of the deleted ones when it asks for them
    assert [e["experiment_id"] for e in listed["experiments"] + rest["experiments"]] == [active, "0"]
    assert [e["experiment_id"] for e in gone["experiments"]] == [deleted]
