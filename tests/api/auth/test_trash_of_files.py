"""Who sees, restores and purges artifact files in the trash."""

from __future__ import annotations

import pytest

from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.auth.test_trash import WHO_MAY
from tests.api.conftest import Api
from tests.api.trash_data import TRASH, item, names, upload

DENIED = (403, "PERMISSION_DENIED")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
MEMBERS = f"{NATIVE}/workspaces/{OWN}/members"
RULES = f"{NATIVE}/workspaces/{OWN}/rules"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


def deleted_file(team: Team, name: str) -> dict[str, str]:
    """A deleted file of a run in a new experiment."""
    owner = team["owner"]
    run = owner.run(owner.experiment(name))
    return delete(owner, run)


def delete(api: Api, run: str) -> dict[str, str]:
    """Store a file of a run and delete it."""
    uri = api.get("runs/get", {"run_id": run}).ok()["run"]["info"]["artifact_uri"]
    upload(api, f"{uri.removeprefix('mlflow-artifacts:/')}/a").ok()
    sent = {"run_id": run, "path": "a"}
    return item("artifact", api.post(f"{NATIVE}/artifacts/delete", sent).ok()["id"])


@pytest.mark.parametrize(("who", "listed", "restored", "purged"), WHO_MAY)
def test_what_the_roles_may(team: Team, who: str, listed: int, restored: int, purged: int) -> None:
    # Given
    one, other = deleted_file(team, "/Shared/a"), deleted_file(team, "/Shared/b")
    api = team[who]
    # Then
    reply = api.get(TRASH)
    assert reply.status == listed
    assert listed != 200 or {one["id"], other["id"]} == {found["id"] for found in reply.body["items"]}
    assert api.post(f"{TRASH}/restore", {"items": [one]}).status == restored
    assert api.post(f"{TRASH}/purge", {"items": [other]}).status == purged


def test_rules_of_folders_decide(team: Team) -> None:
    # Given a folder that is closed to a contributor, and one that it only reads
    seen, hidden = deleted_file(team, "/Shared/a"), deleted_file(team, "/secret/b")
    read_only = deleted_file(team, "/read-only/c")
    for path, level in (("/secret", "NO_PERMISSION"), ("/read-only", "CAN_READ")):
        rule = {"principal": "contributor", "path": path, "level": level}
        team["owner"].put(RULES, rule).ok()
    api = team["contributor"]
    # Then
    assert names(api.get(TRASH).ok()["items"]) == [("artifact", seen["id"])]
    for path in ("restore", "purge"):
        for one in (hidden, read_only):
            assert api.post(f"{TRASH}/{path}", {"items": [seen, one]}).error == MISSING
    # When it purges all
    assert api.post(f"{TRASH}/purge", {"all": True}).ok()["artifacts"] == 1
    # Then only what it sees goes
    left = {one["id"] for one in team["owner"].get(TRASH).ok()["items"]}
    assert left == {hidden["id"], read_only["id"]}


def test_names_of_files_are_for_who_may_read_them(team: Team) -> None:
    # Given somebody who has the trash, and no artifacts
    one = deleted_file(team, "/Shared/a")
    role = {"actions": ["experiments/*", "trash/*"]}
    team["admin"].put(f"{NATIVE}/roles/sweeper", role).ok()
    assert team["admin"].put(f"{MEMBERS}/stranger/sweeper").status in (200, 204)
    api = team["stranger"]
    # Then
    assert api.get(TRASH).ok()["items"] == []
    for path in ("restore", "purge"):
        assert api.post(f"{TRASH}/{path}", {"items": [one]}).error == MISSING
    assert api.post(f"{TRASH}/purge", {"all": True}).ok()["artifacts"] == 0
    # And what lies at a file's place now is nobody's to learn who may not restore it
    owner = team["owner"]
    name = owner.get(TRASH).ok()["items"][0]["name"]
    (experiment,) = {found["experiment_id"] for found in owner.get(TRASH).ok()["items"]}
    upload(owner, f"{OWN}/{experiment}/{name}").ok()
    assert api.post(f"{TRASH}/restore", {"items": [one]}).error == MISSING
    assert team["reader"].post(f"{TRASH}/restore", {"items": [one]}).error == DENIED


def test_a_runs_token_deletes_its_files_and_has_no_trash(team: Team) -> None:
    # Given
    owner = team["owner"]
    experiment = owner.experiment("/Shared/a")
    run, other = owner.run(experiment), owner.run(experiment)
    upload(owner, f"{OWN}/{experiment}/{other}/artifacts/a").ok()
    holder = team.api.as_(owner.post(f"{NATIVE}/tokens/run", {"run_id": run}).ok()["token"])
    # When
    one = delete(holder, run)
    upload(holder, f"{OWN}/{experiment}/{run}/artifacts/b").ok()
    holder.delete(f"{FILES}/{OWN}/{experiment}/{run}/artifacts/b").ok()
    # Then
    assert len(owner.get(TRASH).ok()["items"]) == 2
    assert holder.post(f"{NATIVE}/artifacts/delete", {"run_id": other, "path": "a"}).error == MISSING
    assert holder.get(TRASH).error == DENIED
    assert holder.post(f"{TRASH}/restore", {"items": [one]}).error == DENIED
    assert holder.post(f"{TRASH}/purge", {"items": [one]}).error == DENIED
