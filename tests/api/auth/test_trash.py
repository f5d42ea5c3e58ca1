"""Who sees the trash, and who restores and purges what."""

from __future__ import annotations

import pytest

from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.trash_data import TRASH, item, names

DENIED = (403, "PERMISSION_DENIED")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
RULES = f"{NATIVE}/workspaces/{OWN}/rules"


def rule(team: Team, principal: str, path: str, level: str) -> None:
    """Set a folder's rule."""
    team["owner"].put(RULES, {"principal": principal, "path": path, "level": level}).ok()


# The statuses that everybody gets who lists, restores and purges.
WHO_MAY = [
    ("admin", 200, 200, 200),
    ("owner", 200, 200, 200),
    ("contributor", 200, 200, 200),
    ("scientist", 200, 200, 403),
    ("reader", 200, 403, 403),
    ("operator", 403, 403, 403),
    ("stranger", 404, 404, 404),
    ("foreigner", 404, 404, 404),
]


def deleted_run(team: Team, name: str) -> dict[str, str]:
    """A deleted run in a new experiment."""
    owner = team["owner"]
    run = owner.run(owner.experiment(name))
    owner.post("runs/delete", {"run_id": run}).ok()
    return item("run", run)


@pytest.mark.parametrize(("who", "listed", "restored", "purged"), WHO_MAY)
def test_what_the_roles_may(team: Team, who: str, listed: int, restored: int, purged: int) -> None:
    # Given
    one, other = deleted_run(team, "/Shared/a"), deleted_run(team, "/Shared/b")
    api = team[who]
    # Then
    assert api.get(TRASH).status == listed
    assert api.post(f"{TRASH}/restore", {"items": [one]}).status == restored
    assert api.post(f"{TRASH}/purge", {"items": [other]}).status == purged


def test_what_one_may_not_see_is_not_there(team: Team) -> None:
    # Given a folder that is closed to a contributor
    seen, hidden = deleted_run(team, "/Shared/a"), deleted_run(team, "/secret/b")
    rule(team, "contributor", "/secret", "NO_PERMISSION")
    api = team["contributor"]
    # Then
    assert names(api.get(TRASH).ok()["items"]) == [("run", seen["id"])]
    for path in ("restore", "purge"):
        assert api.post(f"{TRASH}/{path}", {"items": [hidden]}).error == MISSING
    # When it purges all
    told = api.post(f"{TRASH}/purge", {"all": True}).ok()
    # Then only what it sees goes
    assert told["runs"] == 1
    assert names(team["owner"].get(TRASH).ok()["items"]) == [("run", hidden["id"])]


def test_a_rule_gives_the_trash_of_its_folder(team: Team) -> None:
    # Given a folder that is open to somebody without a role
    inside, outside = deleted_run(team, "/Shared/a"), deleted_run(team, "/secret/b")
    api, owner = team["stranger"], team["owner"]
    gone = owner.experiment("/Shared/gone")
    owner.post("experiments/delete", {"experiment_id": gone}).ok()
    rule(team, "stranger", "/Shared", "CAN_READ")
    # Then a reader of the folder has no trash
    assert api.get(TRASH).error == DENIED
    # When it may edit
    rule(team, "stranger", "/Shared", "CAN_EDIT")
    # Then it restores runs, not experiments, and purges nothing
    assert names(api.get(TRASH).ok()["items"]) == [("experiment", gone), ("run", inside["id"])]
    assert api.post(f"{TRASH}/restore", {"items": [outside]}).error == MISSING
    assert api.post(f"{TRASH}/restore", {"items": [item("experiment", gone)]}).error == DENIED
    assert api.post(f"{TRASH}/restore", {"items": [inside]}).ok()["runs"] == 1
    assert api.post(f"{TRASH}/purge", {"all": True}).error == DENIED
    # When it manages
    owner.post("runs/delete", {"run_id": inside["id"]}).ok()
    rule(team, "stranger", "/Shared", "CAN_MANAGE")
    # Then it purges what is in the folder
    assert api.post(f"{TRASH}/purge", {"items": [outside]}).error == MISSING
    told = api.post(f"{TRASH}/purge", {"all": True}).ok()
    assert (told["experiments"], told["runs"]) == (1, 1)
    assert names(owner.get(TRASH).ok()["items"]) == [("run", outside["id"])]


def test_one_of_many_without_permission_keeps_all(team: Team) -> None:
    # Given
    one, other = deleted_run(team, "/Shared/a"), deleted_run(team, "/read-only/b")
    rule(team, "contributor", "/read-only", "CAN_READ")
    api = team["contributor"]
    # Then: without the trash's permission there, what it could read isn't in its trash
    assert api.post(f"{TRASH}/restore", {"items": [one, other]}).error == MISSING
    rule(team, "contributor", "/read-only", "CAN_EDIT")
    assert api.post(f"{TRASH}/purge", {"items": [one, other]}).error == DENIED
    assert len(api.get(TRASH).ok()["items"]) == 2


def test_many_runs_need_the_permission_for_each(team: Team) -> None:
    # Given
    owner, api = team["owner"], team["scientist"]
    experiments = [owner.experiment(name) for name in ("/Shared/a", "/read-only/b", "/secret/c")]
    runs = [owner.run(experiment) for experiment in experiments]
    rule(team, "scientist", "/read-only", "CAN_READ")
    rule(team, "scientist", "/secret", "NO_PERMISSION")
    # Then
    for experiment, run, error in (
        (experiments[1], runs[1], DENIED),
        (experiments[2], runs[2], MISSING),
    ):
        assert api.post(f"{NATIVE}/runs/delete", {"run_ids": [runs[0], run]}).error == error
        by_age = {"experiment_id": experiment, "max_timestamp_millis": 9}
        assert api.post("databricks/runs/delete-runs", by_age).error == error
    assert api.post(f"{NATIVE}/runs/delete", {"run_ids": runs[:1]}).ok() == {"runs_deleted": 1}
    assert team["reader"].post(f"{NATIVE}/runs/restore", {"run_ids": runs[:1]}).error == DENIED


def test_only_administrators_see_all_deleted_workspaces(team: Team) -> None:
    # Given
    admin, foreigner = team["admin"], team.of("foreigner", workspace="other")
    address = f"{NATIVE}/workspaces/other"
    admin.delete(address).ok()
    # Then
    assert names(admin.get(TRASH).ok()["items"]) == [("workspace", "other")]
    assert names(team["owner"].get(TRASH).ok()["items"]) == []
    gone = {"items": [item("workspace", "other")]}
    assert team["owner"].post(f"{TRASH}/restore", gone).error == MISSING
    assert team["owner"].post(f"{address}/purge", {}).error == MISSING
    # Then: its owner lets it go from its own address
    assert foreigner.post(f"{address}/purge", {}).ok()["workspaces"] == 1
    assert admin.get(TRASH).ok()["items"] == []
    assert foreigner.get(address).error == MISSING


def test_a_role_in_a_deleted_workspace_comes_back_with_both(team: Team) -> None:
    # Given a workspace that is deleted, and then its owner
    admin, workspace = team["admin"], f"{NATIVE}/workspaces/other"
    members = admin.get(f"{workspace}/members").ok()
    admin.delete(workspace).ok()
    gone = admin.delete(f"{NATIVE}/users/foreigner").ok()["id"]
    # When the owner is restored, and then the workspace
    admin.post(f"{TRASH}/restore", {"items": [item("user", gone)]}).ok()
    assert names(admin.get(TRASH).ok()["items"]) == [("workspace", "other")]
    admin.post(f"{workspace}/restore").ok()
    # Then
    assert admin.get(f"{workspace}/members").ok() == members


def test_nothing_is_restored_in_an_archived_workspace(team: Team) -> None:
    # Given
    admin, owner = team.of("admin", workspace="other"), team.of("foreigner", workspace="other")
    run = owner.run(owner.experiment("x"))
    owner.post("runs/delete", {"run_id": run}).ok()
    admin.patch(f"{NATIVE}/workspaces/other", {"state": "archived"}).ok()
    # Then
    assert names(owner.get(TRASH).ok()["items"]) == [("run", run)]
    for path in ("restore", "purge"):
        assert owner.post(f"{TRASH}/{path}", {"items": [item("run", run)]}).error == DENIED
