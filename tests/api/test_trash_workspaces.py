"""Workspaces in the trash, and all that goes with one for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, serve
from tests.api.test_purge import MISSING, files, finish, look
from tests.api.trash_data import (
    DAY,
    TRASH,
    age,
    counted,
    counts,
    fill,
    item,
    names,
    purge,
    settle,
    sql,
    trash,
)

ALL = "/api/runyard/1/workspaces"


def workspace(api: Api, name: str) -> list[str]:
    """A new workspace with two runs in two experiments; returns the runs."""
    api.post(ALL, {"name": name, "tags": {"a": "1"}}).ok()
    base = f"/w/{name}/api/2.0/mlflow/"
    experiment = api.post(f"{base}experiments/create", {"name": "x"}).ok()["experiment_id"]
    sent: list[dict[str, Any]] = [{}, {"experiment_id": experiment}]
    runs = [str(api.post(f"{base}runs/create", one).ok()["run"]["info"]["run_id"]) for one in sent]
    for run in runs:
        fill(api, run, workspace=name)
    return runs


def test_nothing_of_a_purged_workspace_is_left(api: Api, database_url: str, tmp_path: Path) -> None:
    # Given
    kept = api.run(api.experiment())
    fill(api, kept)
    before, there, stored = look(api, kept), counts(database_url), files(tmp_path)
    runs = workspace(api, "gone")
    sql(database_url, "INSERT INTO folder_rule VALUES (2, 7, '/x', 1)")
    api.delete(f"{ALL}/gone").ok()
    # Then
    (found,) = trash(api)
    sizes = {"runs": 2, "points": 60, "artifact_files": 2, "artifact_bytes": 10}
    assert {key: found[key] for key in ("kind", "id", "name", "experiment_id", *sizes)} == {
        "kind": "workspace",
        "id": "gone",
        "name": "gone",
        "experiment_id": None,
        **sizes,
    }
    # When
    told = purge(api, item("workspace", "gone"))
    # Then
    assert {key: told[key] for key in ("workspaces", "done", *sizes)} == {
        "workspaces": 1,
        "done": True,
        **sizes,
    }
    assert trash(api) == []
    for reply in (
        api.get(f"{ALL}/gone"),
        api.get(f"/w/gone/api/2.0/mlflow/runs/get?run_id={runs[0]}"),
        api.get("runs/get", {"run_id": runs[0]}),
        api.post(f"{ALL}/gone/restore"),
        api.post(f"{ALL}/gone/purge", {}),
    ):
        assert reply.error == MISSING
    finish(api, database_url)
    assert counts(database_url) == there
    assert sql(database_url, "SELECT name FROM workspace") == [("default",)]
    for table in ("workspace_tag", "folder_rule", "role_assignment"):
        assert sql(database_url, f"SELECT count(*) FROM {table}") == [(0,)]
    assert files(tmp_path) == stored
    assert look(api, kept) == before


def test_a_new_workspace_of_the_same_name_keeps_its_own(api: Api, tmp_path: Path, database_url: str) -> None:
    # Given
    workspace(api, "again")
    api.delete(f"{ALL}/again").ok()
    # When its name is given anew while the old one is being destroyed
    replies = api.together(
        [
            ("POST", f"{ALL}/again/purge", {}),
            *[("POST", ALL, {"name": "again"})] * 3,
        ]
    )
    if all(reply.status != 200 for reply in replies[1:]):
        api.post(ALL, {"name": "again"}).ok()
    run = str(api.post("/w/again/api/2.0/mlflow/runs/create", {}).ok()["run"]["info"]["run_id"])
    fill(api, run, workspace="again")
    finish(api, database_url)
    # Then
    (path,) = files(tmp_path)
    assert path.endswith(f"/{run}/artifacts/a/b.txt")
    assert api.get(f"/w/again/api/2.0/mlflow/runs/get?run_id={run}").status == 200
    assert replies[0].ok()["runs"] == 2


def test_a_workspace_is_restored_from_the_trash(api: Api) -> None:
    # Given
    runs = workspace(api, "back")
    api.delete(f"{ALL}/back").ok()
    # When
    restored = api.post(f"{TRASH}/restore", {"items": [item("workspace", "back")]}).ok()
    # Then
    assert restored == counted(workspaces=1)
    assert api.get(f"/w/back/api/2.0/mlflow/runs/get?run_id={runs[0]}").status == 200
    assert trash(api) == []


@pytest.mark.parametrize("way", ["workspace", "trash"])
def test_a_workspace_comes_back_in_the_state_that_it_was_in(api: Api, way: str) -> None:
    # Given
    workspace(api, "old")
    at = f"{ALL}/old"

    def restore() -> str:
        if way == "trash":
            api.post(f"{TRASH}/restore", {"items": [item("workspace", "old")]}).ok()
        else:
            api.post(f"{at}/restore").ok()
        state: str = api.get(at).ok()["state"]
        return state

    for state in ("archived", "active", "archived"):
        api.patch(at, {"state": state}).ok()
        # When
        api.delete(at).ok()
        assert api.delete(at).ok()["state"] == "deleted"  # again, which changes nothing
        # Then
        assert restore() == state
        written = api.post("/w/old/api/2.0/mlflow/runs/create", {})
        assert written.status == (200 if state == "active" else 403)


def test_a_trial_run_changes_nothing(api: Api) -> None:
    # Given
    workspace(api, "tried")
    # Then
    assert api.post(f"{ALL}/tried/purge", {"dry_run": True}).error == MISSING
    # When
    api.delete(f"{ALL}/tried").ok()
    told = api.post(f"{ALL}/tried/purge", {"dry_run": True}).ok()
    # Then
    assert (told["dry_run"], told["done"], told["workspaces"], told["runs"]) == (True, False, 1, 2)
    assert names(trash(api)) == [("workspace", "tried")]


def test_each_workspace_has_a_trash_of_its_own(api: Api) -> None:
    # Given
    (run, _), own = workspace(api, "other"), api.run()
    api.post("/w/other/api/2.0/mlflow/runs/delete", {"run_id": run}).ok()
    api.post("runs/delete", {"run_id": own}).ok()
    # Then
    assert names(trash(api)) == [("run", own)]
    assert names(api.get(f"/w/other{TRASH}").ok()["items"]) == [("run", run)]
    for path in ("restore", "purge"):
        assert api.post(f"{TRASH}/{path}", {"items": [item("run", run)]}).error == MISSING
    # When
    assert purge(api)["runs"] == 1
    # Then
    assert names(api.get(f"/w/other{TRASH}").ok()["items"]) == [("run", run)]


def test_a_workspace_that_has_lain_its_time_goes_by_itself(database_url: str, tmp_path: Path) -> None:
    # Given
    with serve(data=str(tmp_path), database=database_url) as api:
        workspace(api, "old")
        workspace(api, "new")
        api.delete(f"{ALL}/old").ok()
        age(database_url, 31 * DAY)
        api.delete(f"{ALL}/new").ok()
    # When
    with serve(data=str(tmp_path), database=database_url) as api:
        settle(api)
        # Then
        assert names(trash(api)) == [("workspace", "new")]
        finish(api, database_url)
    query = "SELECT name FROM workspace ORDER BY name"
    assert sql(database_url, query) == [("default",), ("new",)]
    assert sql(
        database_url, "SELECT workspace_id, actor, target FROM event WHERE action = 'trash.purge'"
    ) == [(0, "runyard", "old")]
