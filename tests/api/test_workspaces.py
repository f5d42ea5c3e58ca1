"""Workspaces: made, found, changed, archived, thrown away and brought back; a request chooses one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused
from tests.api.members import Database

GET = "/api/2.0/mlflow/experiments/get?experiment_id=0"
ALL = "/api/runyard/1/workspaces"


RESERVED = ("workspaces", "api", "ajax-api", "static-files", "server", "system", "all")


def path(name: str, more: str = "") -> str:
    """A workspace's address."""
    return f"{ALL}/{name}{more}"


def names(api: Api, query: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> list[str]:
    """The names in a list of workspaces."""
    answer = api.request("GET", ALL, query=query, headers=headers).ok()
    return [one["name"] for one in answer["items"]]


@pytest.mark.parametrize(
    ("at", "header"),
    [(GET, "default"), (f"/w/default{GET}", None), (f"/w/default{GET}", "default"), (GET, " "), (GET, None)],
)
def test_default_may_be_named(api: Api, at: str, header: str | None) -> None:
    headers = {} if header is None else {"X-MLFLOW-WORKSPACE": header}
    assert api.request("GET", at, headers=headers).status == 200


@pytest.mark.parametrize(("at", "header"), [(GET, "other"), (f"/w/other{GET}", None), (GET, "Default")])
def test_a_workspace_that_does_not_exist_is_missing(api: Api, at: str, header: str | None) -> None:
    reply = api.request("GET", at, headers={"X-MLFLOW-WORKSPACE": header} if header else {})
    assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert f"'{header or 'other'}'" in reply.message


def test_two_names_are_refused(api: Api) -> None:
    reply = api.request("GET", f"/w/default{GET}", headers={"X-MLFLOW-WORKSPACE": "other"})
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == "X-MLFLOW-WORKSPACE"


def test_a_new_workspace_has_an_experiment_of_its_own(api: Api) -> None:
    # When
    made = api.post(ALL, {"name": "vision-2", "description": "d", "tags": {"b": "2", "a": "1"}}).ok()
    # Then
    assert {key: made[key] for key in ("name", "description", "state", "tags", "deleted_time")} == {
        "name": "vision-2",
        "description": "d",
        "state": "active",
        "tags": {"a": "1", "b": "2"},
        "deleted_time": None,
    }
    assert list(made["tags"]) == ["a", "b"]
    assert made["artifact_location"] == "mlflow-artifacts:/vision-2"
    assert made["default_experiment_id"] not in ("0", "")
    assert made["creation_time"] == made["last_update_time"] > 1_600_000_000_000
    found = api.get(f"/w/vision-2{GET}").ok()["experiment"]
    assert found["experiment_id"] == made["default_experiment_id"]
    assert found["name"] == "Default"
    assert found["artifact_location"] == f"mlflow-artifacts:/vision-2/{found['experiment_id']}"
    assert api.get(GET).ok()["experiment"]["experiment_id"] == "0"


def test_names_have_rules(api: Api) -> None:
    sent: dict[str, Any] = {
        "one": "a",
        "long": "a" * 64,
        "capital": "Vision",
        "start": "-ab",
        "end": "ab-",
        "dot": "a.b",
        "underscore": "a_b",
        "slash": "a/b",
        "blank": "a b",
        "other": "größe",
        "newline": "ab\n",
        "empty": "",
        **{
            name: name
            for name in ("workspaces", "api", "ajax-api", "static-files", "server", "system", "all")
        },
    }
    replies = {case: api.post(ALL, {"name": name}) for case, name in sent.items()}
    assert_refused(replies, dict.fromkeys(sent, "name"))
    for name in ("ab", "a" * 63, "0-0", "a--b"):
        assert api.post(ALL, {"name": name}).ok()["name"] == name


def test_what_is_too_much_is_refused(api: Api) -> None:
    # Given
    api.post(ALL, {"name": "full", "tags": {f"t{i}": "" for i in range(100)}}).ok()
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "description": ({"description": "x" * 20_001}, "description"),
        "nul": ({"description": "\0"}, "description"),
        "tags": ({"tags": {"one more": ""}}, "tags"),
        "key": ({"tags": {"x" * 251: ""}}, "tags"),
        "no key": ({"tags": {" ": "v"}}, "tags"),
        "value": ({"tags": {"t1": "x" * 5_001}}, "tags.t1"),
        "state": ({"state": "deleted"}, "state"),
        "unknown state": ({"state": "open"}, "state"),
    }
    # When
    replies = {case: api.patch(path("full"), body) for case, (body, _) in cases.items()}
    # Then
    nul = replies.pop("nul")
    fields = {case: field for case, (_, field) in cases.items() if case != "nul"}
    assert_refused(replies, fields)
    assert nul.status == 400
    # And one that replaces another is not one more
    assert len(api.patch(path("full"), {"tags": {"t1": None, "one more": ""}}).ok()["tags"]) == 100


def test_a_name_is_taken_once(api: Api) -> None:
    # Given
    api.post(ALL, {"name": "twice"}).ok()
    # When, then
    for name in ("twice", "default"):
        reply = api.post(ALL, {"name": name})
        assert reply.error == (400, "RESOURCE_ALREADY_EXISTS")
        assert reply.field == "name"
    # And also at the same moment
    replies = api.together([("POST", ALL, {"name": "race"})] * 8)
    assert sorted(reply.status for reply in replies) == [200] + [400] * 7
    # And while it is in the trash
    api.delete(path("twice")).ok()
    assert "trash" in api.post(ALL, {"name": "twice"}).message


def test_lists_come_by_name_in_pages(api: Api) -> None:
    # Given
    for name in ("cow", "ant", "bee", "dog"):
        api.post(ALL, {"name": name}).ok()
    api.patch(path("bee"), {"state": "archived"}).ok()
    api.delete(path("dog")).ok()
    # Then
    assert names(api) == ["ant", "bee", "cow", "default"]
    assert names(api, {"state": "active"}) == ["ant", "cow", "default"]
    assert names(api, {"state": "archived"}) == ["bee"]
    assert names(api, {"state": "deleted"}) == ["dog"]
    first = api.get(ALL, {"limit": 3}).ok()
    assert [one["name"] for one in first["items"]] == ["ant", "bee", "cow"]
    rest = api.get(ALL, {"limit": 3, "page_token": first["next_page_token"]}).ok()
    assert [one["name"] for one in rest["items"]] == ["default"]
    assert rest["next_page_token"] is None
    replies = {
        "none": api.get(ALL, {"limit": 0}),
        "many": api.get(ALL, {"limit": 1001}),
        "token": api.get(ALL, {"page_token": "x"}),
        "state": api.get(ALL, {"state": "gone"}),
    }
    assert_refused(replies, {"none": "limit", "many": "limit", "token": "page_token", "state": "state"})


def test_what_changes_changes_alone(api: Api) -> None:
    # Given
    made = api.post(ALL, {"name": "team", "description": "d", "tags": {"a": "1", "b": "2"}}).ok()
    # When
    changed = api.patch(path("team"), {"tags": {"a": None, "c": "3"}}).ok()
    # Then
    assert changed["tags"] == {"b": "2", "c": "3"}
    assert changed["description"] == "d"
    assert changed["last_update_time"] >= made["last_update_time"]
    assert changed["creation_time"] == made["creation_time"]
    assert api.patch(path("team"), {"description": ""}).ok()["description"] == ""
    assert api.get(path("team")).ok()["tags"] == {"b": "2", "c": "3"}


def test_details_say_what_is_in_it(api: Api) -> None:
    # Given
    api.post(ALL, {"name": "full"}).ok()
    post = "/w/full/api/2.0/mlflow/"
    kept = api.post(f"{post}experiments/create", {"name": "kept"}).ok()["experiment_id"]
    gone = api.post(f"{post}experiments/create", {"name": "gone"}).ok()["experiment_id"]
    runs = [
        api.post(f"{post}runs/create", {"experiment_id": of}).ok()["run"]["info"]["run_id"]
        for of in (kept, kept, kept, gone)
    ]
    model = api.post(f"{post}logged-models", {"experiment_id": kept}).ok()["model"]["info"]["model_id"]
    api.post(f"{post}runs/delete", {"run_id": runs[0]}).ok()
    api.post(f"{post}experiments/delete", {"experiment_id": gone}).ok()
    files = f"/w/full/api/2.0/mlflow-artifacts/artifacts/full/{kept}"
    api.request("PUT", f"{files}/{runs[1]}/artifacts/a/b", content=b"12345").ok()
    api.request("PUT", f"{files}/models/{model}/artifacts/m", content=b"123").ok()
    # When
    found = api.request("GET", path("full"), headers={"Host": "127.0.0.1:5000"}).ok()
    # Then
    assert found["counts"] == {
        "experiments": {"active": 2, "deleted": 1},
        "runs": {"active": 2, "deleted": 2},
        "models": {"active": 1, "deleted": 0},
    }
    assert found["storage"] == {"bytes": 8, "files": 2}
    assert found["addresses"] == {
        "tracking": "http://127.0.0.1:5000/w/full",
        "api": "http://127.0.0.1:5000/api/runyard/1/workspaces/full",
    }
    assert found["quotas"] == api.get(path("full", "/quotas")).ok()["items"]
    assert api.get(path("default")).ok()["counts"]["runs"] == {"active": 0, "deleted": 0}
    # And the same from within another one
    elsewhere = api.request("GET", f"/w/default{path('full')}", headers={"Host": "127.0.0.1:5000"}).ok()
    assert elsewhere == found


def test_an_archived_workspace_is_read_and_not_changed(api: Api) -> None:
    # Given
    api.post(ALL, {"name": "old"}).ok()
    run = api.post("/w/old/api/2.0/mlflow/runs/create", {}).ok()["run"]["info"]["run_id"]
    # When
    assert api.patch(path("old"), {"state": "archived"}).ok()["state"] == "archived"
    # Then
    assert api.get(f"/w/old/api/2.0/mlflow/runs/get?run_id={run}").status == 200
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    for what, sent in (
        ("runs/create", {}),
        ("runs/log-metric", point),
        ("experiments/create", {"name": "n"}),
    ):
        reply = api.post(f"/w/old/api/2.0/mlflow/{what}", sent)
        assert reply.error == (403, "PERMISSION_DENIED")
        assert "archived" in reply.message
    assert api.patch(path("old"), {"description": "of 2019"}).status == 200
    # When
    assert api.patch(path("old"), {"state": "active"}).ok()["state"] == "active"
    # Then
    assert api.post("/w/old/api/2.0/mlflow/runs/log-metric", point).status == 200


def test_what_is_in_the_trash_is_out_of_reach_until_it_is_restored(api: Api) -> None:
    # Given
    api.post(ALL, {"name": "gone"}).ok()
    run = api.post("/w/gone/api/2.0/mlflow/runs/create", {}).ok()["run"]["info"]["run_id"]
    # When
    deleted = api.delete(path("gone")).ok()
    # Then
    assert deleted["state"] == "deleted"
    assert deleted["deleted_time"] == deleted["last_update_time"]
    for reply in (
        api.get(f"/w/gone{GET}"),
        api.get(f"/w/gone/api/2.0/mlflow/runs/get?run_id={run}"),
        api.post("/w/gone/api/2.0/mlflow/runs/create", {}),
        api.get("/w/gone/get-artifact", {"run_id": run, "path": "a"}),
        api.get("/api/3.0/mlflow/workspaces/gone"),
        api.request("GET", GET, headers={"X-MLFLOW-WORKSPACE": "gone"}),
    ):
        assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "gone" not in names(api)
    assert api.get(path("gone")).ok()["counts"]["runs"] == {"active": 1, "deleted": 0}
    assert_refused({"change": api.patch(path("gone"), {"description": "x"})}, {"change": "workspace"})
    assert api.delete(path("gone")).ok()["deleted_time"] == deleted["deleted_time"]
    # When
    restored = api.post(path("gone", "/restore")).ok()
    # Then
    assert (restored["state"], restored["deleted_time"]) == ("active", None)
    assert api.get(f"/w/gone/api/2.0/mlflow/runs/get?run_id={run}").status == 200


def test_default_stays(api: Api) -> None:
    replies = {
        "delete": api.delete(path("default")),
        "archive": api.patch(path("default"), {"state": "archived"}),
        "mlflow": api.delete("/api/3.0/mlflow/workspaces/default?mode=CASCADE"),
    }
    assert_refused(replies, dict.fromkeys(replies, "workspace"))
    assert (
        api.patch(path("default"), {"description": "ours", "state": "active"}).ok()["description"] == "ours"
    )


def test_ids_are_never_given_twice(api: Api, database_url: str) -> None:
    # Given the newest workspace, which is deleted for good
    first = api.post(ALL, {"name": "first"}).ok()["id"]
    Database(database_url).run(f"DELETE FROM workspace WHERE id = {first}")
    # When
    second = api.post(ALL, {"name": "second"}).ok()["id"]
    # Then
    assert int(second) > int(first)


def test_changes_are_noted(api: Api, database_url: str) -> None:
    # When
    made = api.post(ALL, {"name": "noted"}).ok()
    api.patch(path("noted"), {"tags": {"a": "b"}}).ok()
    api.patch(path("noted"), {"description": "Cameras", "tags": {"a": None, "c": "d"}}).ok()
    api.patch(path("noted"), {"description": "Cameras", "tags": {"c": "d"}}).ok()  # changes nothing
    api.patch(path("noted"), {"state": "archived"}).ok()
    api.patch(path("noted"), {"state": "active"}).ok()
    api.patch(path("noted", "/quotas"), {"limits": {"tags_per_run": 5}}).ok()
    api.delete(path("noted")).ok()
    api.post(path("noted", "/restore")).ok()
    api.post(path("noted", "/restore")).ok()
    # Then
    rows = Database(database_url).rows(
        "SELECT action, workspace_id, actor, target_type, target, detail FROM event ORDER BY id"
    )
    assert [row[0] for row in rows] == [
        "workspace.create",
        "workspace.update",
        "workspace.update",
        "workspace.archive",
        "workspace.activate",
        "workspace.quotas",
        "workspace.delete",
        "workspace.restore",
    ]
    assert {row[1:5] for row in rows} == {(int(made["id"]), "local", "workspace", "noted")}
    detail = [json.loads(row[5]) for row in rows]
    assert detail[1] == {"tags": {"a": "b"}, "before": {"tags": {"a": None}}}
    assert detail[2] == {
        "description": "Cameras",
        "tags": {"a": None, "c": "d"},
        "before": {"description": "", "tags": {"a": "b", "c": None}},
    }
    assert detail[5] == {"limits": {"tags_per_run": 5}, "before": {"tags_per_run": "default"}}
