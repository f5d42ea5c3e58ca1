"""Who sees and changes which workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.members import Database, team
from tests.api.test_workspaces import ALL, GET, names, path


def test_everybody_sees_the_workspaces_that_he_may_enter(database_url: str, tmp_path: Path) -> None:
    # Given
    people = {
        "root": None,
        "ada": {"alpha": "Owner", "beta": "Reader"},
        "bob": {"beta": "Contributor"},
        "eve": {"beta": "no such role"},
    }
    with team(database_url, tmp_path, people) as (api, as_):
        # Then
        assert {name: names(api, headers=as_(name)) for name in people} == {
            "root": ["alpha", "beta", "default"],
            "ada": ["alpha", "beta"],
            "bob": ["beta"],
            "eve": [],
        }
        listed = api.request("GET", "/api/3.0/mlflow/workspaces", headers=as_("ada")).ok()["workspaces"]
        assert [one["name"] for one in listed] == ["alpha", "beta"]
        # And what one may do there
        rights: dict[str, tuple[str, str, str, Any, dict[str, int]]] = {
            "read": ("GET", "beta", "", None, {"ada": 200, "bob": 200, "eve": 404, "root": 200}),
            "change": ("PATCH", "beta", "", {"description": "x"}, {"ada": 403, "bob": 200, "eve": 404}),
            "quota": (
                "PATCH",
                "alpha",
                "/quotas",
                {"limits": {}},
                {"ada": 403, "bob": 403, "eve": 403, "root": 200},
            ),
            "delete": ("DELETE", "beta", "", None, {"ada": 403, "bob": 403, "eve": 404}),
            "foreign": ("DELETE", "alpha", "", None, {"bob": 404, "eve": 404}),
            "create": ("POST", "", "", {"name": "new"}, {"ada": 403, "bob": 403, "eve": 403}),
        }
        for what, (method, name, more, body, wanted) in rights.items():
            at = path(name, more) if name else ALL
            got = {who: api.request(method, at, body, headers=as_(who)).status for who in wanted}
            assert got == wanted, what


def test_who_makes_a_workspace_owns_it(database_url: str, tmp_path: Path) -> None:
    with team(database_url, tmp_path, {"root": None, "ada": {"alpha": "Owner"}}) as (api, as_):
        # When
        made = api.request("POST", ALL, {"name": "own"}, headers=as_("root")).ok()
        # Then
        assigned = Database(database_url).rows(
            f"SELECT principal_id, role FROM role_assignment WHERE workspace_id = {made['id']}"
        )
        assert assigned == [(1, "Owner")]
        # And only its owners and administrators see it in the trash
        api.request("DELETE", path("alpha"), headers=as_("ada")).ok()
        assert names(api, {"state": "deleted"}, as_("ada")) == ["alpha"]
        assert names(api, {"state": "deleted"}, as_("root")) == ["alpha"]
        assert api.request("GET", path("alpha"), headers=as_("ada")).status == 200
        assert api.request("GET", f"/w/alpha{GET}", headers=as_("ada")).status == 404
        assert api.request("POST", path("alpha", "/restore"), headers=as_("ada")).status == 200


def test_a_member_does_not_see_the_trash(database_url: str, tmp_path: Path) -> None:
    people = {"ada": {"alpha": "Owner"}, "bob": {"alpha": "Contributor"}}
    with team(database_url, tmp_path, people) as (api, as_):
        # When
        api.request("DELETE", path("alpha"), headers=as_("ada")).ok()
        # Then
        assert names(api, {"state": "deleted"}, as_("bob")) == []
        for method, more in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/restore"),
            ("GET", "/quotas"),
        ):
            reply = api.request(method, path("alpha", more), {}, headers=as_("bob"))
            assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST"), (method, more)


def test_a_token_of_one_workspace_sees_no_other(database_url: str, tmp_path: Path) -> None:
    with team(database_url, tmp_path, {"ada": {"alpha": "Owner", "beta": "Owner"}}) as (api, as_):
        # Given
        ids = {one["name"]: one["id"] for one in api.request("GET", ALL, headers=as_("ada")).ok()["items"]}
        Database(database_url).token(1, "ryp_bound", workspace=int(ids["beta"]))
        # Then
        assert names(api, headers=as_("bound")) == ["beta"]
        assert api.request("GET", path("beta"), headers=as_("bound")).status == 200
        assert api.request("GET", path("alpha"), headers=as_("bound")).status == 404


def test_counts_leave_out_what_one_may_not_see(database_url: str, tmp_path: Path) -> None:
    with team(database_url, tmp_path, {"ada": {"alpha": "Owner"}, "bob": {"alpha": "Reader"}}) as (api, as_):
        # Given
        for name in ("/open/x", "/secret/y"):
            made = api.request(
                "POST", "/w/alpha/api/2.0/mlflow/experiments/create", {"name": name}, headers=as_("ada")
            ).ok()
            sent = {"experiment_id": made["experiment_id"]}
            api.request("POST", "/w/alpha/api/2.0/mlflow/runs/create", sent, headers=as_("ada")).ok()
        alpha = int(api.request("GET", path("alpha"), headers=as_("ada")).ok()["id"])
        Database(database_url).insert(
            "folder_rule", workspace_id=alpha, principal_id=2, path="/secret", level=0
        )
        # Then
        seen = {
            who: api.request("GET", path("alpha"), headers=as_(who)).ok()["counts"] for who in ("ada", "bob")
        }
        assert seen["ada"]["experiments"]["active"] == 3
        assert seen["ada"]["runs"]["active"] == 2
        assert seen["bob"]["experiments"]["active"] == 2
        assert seen["bob"]["runs"]["active"] == 1


def test_what_is_used_leaves_out_what_one_may_not_see(database_url: str, tmp_path: Path) -> None:
    people = {"ada": {"alpha": "Owner"}, "bob": {"alpha": "Reader"}, "eve": {"alpha": "Reader"}}
    with team(database_url, tmp_path, people) as (api, as_):
        # Given two experiments with a run and a file each; bob is kept out of one of them
        for name, size in (("/open/x", 3), ("/secret/y", 40)):
            made = api.request(
                "POST", "/w/alpha/api/2.0/mlflow/experiments/create", {"name": name}, headers=as_("ada")
            ).ok()
            sent = {"experiment_id": made["experiment_id"]}
            run = api.request("POST", "/w/alpha/api/2.0/mlflow/runs/create", sent, headers=as_("ada")).ok()
            root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            at = f"/w/alpha/api/2.0/mlflow-artifacts/artifacts/{root}/f"
            api.request("PUT", at, content=b"x" * size, headers=as_("ada")).ok()
        details = api.request("GET", path("alpha"), headers=as_("ada")).ok()
        Database(database_url).insert(
            "folder_rule", workspace_id=int(details["id"]), principal_id=2, path="/secret", level=0
        )
        # When
        seen = {who: api.request("GET", path("alpha"), headers=as_(who)).ok() for who in people}
        # Then
        used = {
            who: {quota["name"]: quota["used"] for quota in found["quotas"]} for who, found in seen.items()
        }
        for who in ("ada", "eve"):
            assert seen[who]["storage"] == {"bytes": 43, "files": 2}
            assert used[who]["runs_per_workspace"] == 2
            assert used[who]["artifact_bytes_per_workspace"] == 43
        assert seen["bob"]["storage"] == {"bytes": 3, "files": 1}
        assert set(used["bob"].values()) == {None}
        listed = api.request("GET", path("alpha", "/quotas"), headers=as_("bob")).ok()["items"]
        assert listed == seen["bob"]["quotas"]
        assert {quota["name"]: quota["limit"] for quota in listed}["points_per_run"] == 100_000_000
