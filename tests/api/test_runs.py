"""runs/create, get, update, delete, restore, delete-tag."""

from __future__ import annotations

import re
from typing import Any

from tests.api.conftest import Api, assert_refused

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
NAME = "mlflow.runName"
INT64 = 2**63 - 1


def create(api: Api, **fields: Any) -> dict[str, Any]:
    """A new run as the server answers it."""
    run: dict[str, Any] = api.post("runs/create", {"experiment_id": "0", **fields}).ok()["run"]
    return run


def get(api: Api, run: str) -> dict[str, Any]:
    """A run as the server answers it."""
    found: dict[str, Any] = api.get("runs/get", {"run_id": run}).ok()["run"]
    return found


def tags(run: dict[str, Any]) -> dict[str, str]:
    """A run's tags."""
    return {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}


def status(api: Api, run: str) -> str:
    """A run's status."""
    return str(get(api, run)["info"]["status"])


def stage(api: Api, run: str) -> str:
    """A run's lifecycle."""
    return str(get(api, run)["info"]["lifecycle_stage"])


def test_a_new_run_comes_back_as_it_was_sent(api: Api) -> None:
    # Given
    experiment = api.experiment()
    sent = {
        "experiment_id": experiment,
        "user_id": "grace",
        "run_name": "größer",
        "start_time": "1234567890123",
        "tags": [{"key": "b", "value": "ü\n"}, {"key": "a"}, {"key": "b", "value": "last wins"}],
        "status": "FINISHED",
        "unknown": {"is": ["ignored"]},
    }
    # When
    run = api.post("runs/create", sent).ok()["run"]
    # Then
    run_id = run["info"]["run_id"]
    assert re.fullmatch("[0-9a-f]{32}", run_id)
    assert run["info"] == {
        "run_uuid": run_id,
        "run_id": run_id,
        "experiment_id": experiment,
        "run_name": "größer",
        "user_id": "grace",
        "status": "RUNNING",
        "start_time": 1234567890123,
        "artifact_uri": f"mlflow-artifacts:/default/{experiment}/{run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    assert tags(run) == {"a": "", "b": "last wins", NAME: "größer"}
    assert run["inputs"] == run["outputs"] == {}
    found = get(api, run_id)
    assert found["info"] == run["info"]
    assert tags(found) == tags(run)


def test_what_is_left_out_of_a_new_run(api: Api) -> None:
    # When
    run = api.post("runs/create", {}).ok()["run"]
    # Then
    info = run["info"]
    assert (info["experiment_id"], info["user_id"]) == ("0", "")
    assert info["start_time"] > 1_700_000_000_000
    assert "end_time" not in info
    assert re.fullmatch("[a-z]+-[a-z]+-[0-9]+", info["run_name"])
    assert tags(run) == {NAME: info["run_name"]}
    # Then: null is the same
    nulls = dict.fromkeys(("experiment_id", "user_id", "run_name", "start_time", "tags"))
    again = api.post("runs/create", nulls).ok()["run"]["info"]
    assert (again["experiment_id"], again["user_id"]) == ("0", "")
    assert again["start_time"] >= info["start_time"]
    assert again["run_name"] != info["run_name"]


def test_the_name_comes_from_the_field_or_the_tag(api: Api) -> None:
    def tag(value: str) -> list[dict[str, str]]:
        return [{"key": NAME, "value": value}]

    for fields, name in (
        ({"run_name": "a"}, "a"),
        ({"tags": tag("b")}, "b"),
        ({"run_name": "c", "tags": tag("c")}, "c"),
        ({"run_name": "d", "tags": tag("")}, "d"),
        ({"run_name": "", "tags": tag("e")}, "e"),
        ({"run_name": "x" * 500}, "x" * 500),
        ({"run_name": " "}, " "),
    ):
        # When
        run = create(api, **fields)
        # Then
        assert run["info"]["run_name"] == name
        assert tags(get(api, run["info"]["run_id"])) == {NAME: name}
    for fields in ({"run_name": ""}, {"tags": tag("")}):
        assert create(api, **fields)["info"]["run_name"].count("-") == 2


BAD_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "no such spelling": ({"experiment_id": "abc"}, "experiment_id"),
    "a number": ({"experiment_id": 0}, "experiment_id"),
    "past int64": ({"experiment_id": "9" * 30}, "experiment_id"),
    "start time as text": ({"start_time": "x"}, "start_time"),
    "half a millisecond": ({"start_time": 1.5}, "start_time"),
    "start time past int64": ({"start_time": 2**63}, "start_time"),
    "a truth": ({"start_time": True}, "start_time"),
    "user as number": ({"user_id": 5}, "user_id"),
    "long user": ({"user_id": "u" * 257}, "user_id"),
    "name as number": ({"run_name": 5}, "run_name"),
    "long name": ({"run_name": "ü" * 501}, "run_name"),
    "long name in the tag": ({"tags": [{"key": NAME, "value": "x" * 501}]}, "run_name"),
    "two names": ({"run_name": "a", "tags": [{"key": NAME, "value": "b"}]}, "run_name"),
    "tags as text": ({"tags": "x"}, "tags"),
    "tag as number": ({"tags": [5]}, "tags[0]"),
    "tag as null": ({"tags": [{"key": "a"}, None]}, "tags[1]"),
    "tag without key": ({"tags": [{"value": "x"}]}, "tags[0].key"),
    "empty key": ({"tags": [{"key": "", "value": "x"}]}, "tags[0].key"),
    "long key": ({"tags": [{"key": "k" * 251}]}, "tags[0].key"),
    "odd key": ({"tags": [{"key": "a?"}]}, "tags[0].key"),
    "long tag": ({"tags": [{"key": "a", "value": "v" * 65_536}]}, "tags[0].value"),
    "tag of a number": ({"tags": [{"key": "a", "value": 5}]}, "tags[0].value"),
}


def test_what_create_refuses(api: Api) -> None:
    # When
    replies = {
        name: api.post("runs/create", {"experiment_id": "0", **sent}) for name, (sent, _) in BAD_RUNS.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_RUNS.items()})
    assert api.post("runs/create", {"experiment_id": "999999"}).error == MISSING
    assert api.post("runs/search", {"experiment_ids": ["0"]}).ok() == {}


def test_the_longest_names_fit_the_indexes(api: Api) -> None:
    """PostgreSQL's indexes hold 2,704 bytes, and these don't compress."""
    # Given
    odd = "".join(chr(0x10000 + i * 37 % 40_000) for i in range(65_535))
    # When
    run = create(
        api, run_name=odd[:500], user_id=odd[500:756], start_time=INT64, tags=[{"key": "t", "value": odd}]
    )["info"]["run_id"]
    api.post("runs/log-parameter", {"run_id": run, "key": "p", "value": odd}).ok()
    api.post("runs/update", {"run_id": run, "run_name": odd[1000:1500], "end_time": -INT64 - 1}).ok()
    # Then
    found = get(api, run)
    assert found["info"]["run_name"] == odd[1000:1500]
    assert found["info"]["user_id"] == odd[500:756]
    assert tags(found)["t"] == found["data"]["params"][0]["value"] == odd
    for term in (f"params.p = '{odd[:5000]}'", f"tags.t LIKE '{odd[:100]}%'"):
        reply = api.post("runs/search", {"experiment_ids": ["0"], "filter": term})
        assert len(reply.ok().get("runs", [])) == ("LIKE" in term)


def test_times_may_be_any_int64(api: Api) -> None:
    for sent in (-5, 0, "-9223372036854775808", INT64, 5.0):
        # When
        run = create(api, start_time=sent)["info"]["run_id"]
        api.post("runs/update", {"run_id": run, "end_time": sent}).ok()
        # Then
        info = get(api, run)["info"]
        assert info["start_time"] == info["end_time"] == int(sent)


def test_a_run_is_found_by_its_id_alone(api: Api) -> None:
    # Given
    run = api.run()
    # Then
    for query in (
        {"run_id": run},
        {"run_uuid": run},
        {"run_id": run, "run_uuid": "x"},
        {"run_id": run, "y": "z"},
    ):
        assert api.get("runs/get", query).ok()["run"]["info"]["run_id"] == run
    for name in ("nope", run[:-1], run + "x", run.upper() + "X", "a/b", "x" * 5000, "ü", "' or 1=1 --"):
        assert api.get("runs/get", {"run_id": name}).error == MISSING
    for query in ({}, {"run_id": ""}, {"run_uuid": ""}):
        assert_refused({"": api.get("runs/get", query)}, {"": "run_id"})


def test_a_status_goes_by_name_or_number(api: Api) -> None:
    # Given
    run = api.run()
    # Then
    for sent, shown in (
        ("FINISHED", "FINISHED"),
        ("running", "RUNNING"),
        (2, "SCHEDULED"),
        ("4", "FAILED"),
        ("KILLED", "KILLED"),
        (1, "RUNNING"),
        (None, "RUNNING"),
    ):
        info = api.post("runs/update", {"run_id": run, "status": sent}).ok()["run_info"]
        assert info["status"] == status(api, run) == shown
    for bad in ("NOPE", "", "0", 0, 6, -1, "²", 1.5, True):
        assert_refused(
            {str(bad): api.post("runs/update", {"run_id": run, "status": bad})}, {str(bad): "status"}
        )
    assert status(api, run) == "RUNNING"


def test_an_update_changes_what_it_names(api: Api) -> None:
    # Given
    before = create(api, run_name="before", start_time=1)["info"]
    run = before["run_id"]
    # Then: nothing named, nothing changed
    for sent in ({}, {"run_name": ""}, dict.fromkeys(("status", "end_time", "run_name")), {"start_time": 9}):
        assert api.post("runs/update", {"run_id": run, **sent}).ok() == {"run_info": before}
    # When
    sent = {"run_uuid": run, "status": "FAILED", "end_time": "7", "run_name": "after"}
    info = api.post("runs/update", sent).ok()["run_info"]
    # Then
    assert info == {**before, "status": "FAILED", "end_time": 7, "run_name": "after"}
    assert get(api, run)["info"] == info
    assert tags(get(api, run)) == {NAME: "after"}
    # Then
    for field, value in (
        ("end_time", "x"),
        ("end_time", 1.5),
        ("end_time", 2**63),
        ("run_name", "x" * 501),
        ("run_name", 5),
    ):
        reply = api.post("runs/update", {"run_id": run, "status": "KILLED", field: value})
        assert_refused({field: reply}, {field: field})
    assert get(api, run)["info"] == info


def test_the_name_and_its_tag_change_together(api: Api) -> None:
    # Given
    run = create(api, run_name="first")["info"]["run_id"]

    def named(name: str) -> bool:
        found = get(api, run)
        return bool(found["info"]["run_name"] == tags(found)[NAME] == name)

    # Then
    api.post("runs/set-tag", {"run_id": run, "key": NAME, "value": "second"}).ok()
    assert named("second")
    batch = [{"key": NAME, "value": "x"}, {"key": NAME, "value": "third"}, {"key": NAME, "value": ""}]
    api.post("runs/log-batch", {"run_id": run, "tags": batch}).ok()
    assert named("third")
    api.post("runs/set-tag", {"run_id": run, "key": NAME, "value": ""}).ok()
    assert named("third")
    reply = api.post("runs/set-tag", {"run_id": run, "key": NAME, "value": "x" * 501})
    assert_refused({"": reply}, {"": "value"})
    # Then: without the tag the name stays, and the next name brings the tag back
    api.post("runs/delete-tag", {"run_id": run, "key": NAME}).ok()
    assert (get(api, run)["info"]["run_name"], tags(get(api, run))) == ("third", {})
    api.post("runs/update", {"run_id": run, "run_name": "fourth"}).ok()
    assert named("fourth")


def test_a_deleted_run_can_be_read_and_not_written(api: Api) -> None:
    # Given
    run = api.run(tags=[{"key": "a", "value": "1"}])
    point = {"key": "m", "value": 1, "timestamp": 1}
    api.post("runs/log-metric", {"run_id": run, **point}).ok()
    model = '{"artifact_path": "m", "flavors": {}, "utc_time_created": "2020", "run_id": "r"}'
    before = get(api, run)
    # When
    assert api.post("runs/delete", {"run_id": run}).ok() == {}
    # Then
    writes: dict[str, dict[str, Any]] = {
        "update": {"status": "FINISHED"},
        "log-metric": point,
        "log-parameter": {"key": "p", "value": "1"},
        "set-tag": {"key": "a", "value": "2"},
        "delete-tag": {"key": "a"},
        "log-batch": {"metrics": [point]},
        "log-model": {"model_json": model},
        "log-inputs": {"models": [{"model_id": "m-1"}]},
        "outputs": {"models": [{"model_id": "m-1"}]},
    }
    replies = {path: api.post(f"runs/{path}", {"run_id": run, **sent}) for path, sent in writes.items()}
    assert_refused(replies, dict.fromkeys(writes, "run_id"))
    assert all("restore it first" in reply.message for reply in replies.values())
    after = get(api, run)
    assert after["info"] == {**before["info"], "lifecycle_stage": "deleted"}
    assert after["data"] == before["data"]
    history = api.get("metrics/get-history", {"run_id": run, "metric_key": "m"}).ok()["metrics"]
    assert [point["value"] for point in history] == [1.0]


def test_deleting_and_restoring_may_be_repeated(api: Api) -> None:
    # Given
    run = api.run()
    # Then
    for path, legacy, expected in (
        ("delete", False, "deleted"),
        ("delete", True, "deleted"),
        ("restore", True, "active"),
        ("restore", False, "active"),
    ):
        assert api.post(f"runs/{path}", {"run_uuid" if legacy else "run_id": run}).ok() == {}
        assert stage(api, run) == expected
    api.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}).ok()


def test_tags_are_deleted_one_by_one(api: Api) -> None:
    # Given
    run = api.run(run_name="r", tags=[{"key": "a", "value": "1"}, {"key": "b/c d", "value": "2"}])
    other = api.run(tags=[{"key": "elsewhere", "value": "3"}])
    # When
    assert api.post("runs/delete-tag", {"run_id": run, "key": "b/c d"}).ok() == {}
    # Then
    assert tags(get(api, run)) == {"a": "1", NAME: "r"}
    for key in ("b/c d", "never", "elsewhere", "a?", "x" * 300):
        reply = api.post("runs/delete-tag", {"run_id": run, "key": key})
        assert (reply.error, reply.field) == (MISSING, "key")
    assert_refused(
        {
            "no key": api.post("runs/delete-tag", {"run_id": run}),
            "empty": api.post("runs/delete-tag", {"run_id": run, "key": ""}),
        },
        {"no key": "key", "empty": "key"},
    )
    assert tags(get(api, other))["elsewhere"] == "3"


def test_every_write_needs_a_run_that_exists(api: Api) -> None:
    writes: dict[str, dict[str, Any]] = {
        "update": {},
        "delete": {},
        "restore": {},
        "log-metric": {"key": "m", "value": 1, "timestamp": 1},
        "log-parameter": {"key": "p", "value": "1"},
        "set-tag": {"key": "a", "value": "2"},
        "delete-tag": {"key": "a"},
        "log-batch": {},
        "log-model": {"model_json": '{"artifact_path":1,"flavors":1,"utc_time_created":1,"run_id":1}'},
        "log-inputs": {"models": [{"model_id": "m-1"}]},
        "outputs": {"models": [{"model_id": "m-1"}]},
    }
    for name, error in (("nope", MISSING), ("x" * 5000, MISSING), ("", INVALID), (None, INVALID)):
        replies = {path: api.post(f"runs/{path}", {"run_id": name, **sent}) for path, sent in writes.items()}
        assert_refused(replies, dict.fromkeys(writes, "run_id"), error)
    replies = {path: api.post(f"runs/{path}", {"run_id": 5, **sent}) for path, sent in writes.items()}
    assert_refused(replies, dict.fromkeys(writes, "run_id"))
