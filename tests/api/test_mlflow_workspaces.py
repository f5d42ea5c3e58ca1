"""MLflow's workspaces endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, Reply, assert_refused
from tests.api.test_twins import BASES

AT = "/api/3.0/mlflow/workspaces"


def made(reply: Reply) -> Any:
    """The workspace in the answer to a creation."""
    assert reply.status == 201, reply
    return reply.body["workspace"]


def names(api: Api) -> list[str]:
    """The workspaces in a list."""
    return [one["name"] for one in api.get(AT).ok()["workspaces"]]


@pytest.mark.parametrize("base", BASES)
def test_a_workspace_from_its_creation_to_its_end(api: Api, base: str) -> None:
    at = f"{base}workspaces"
    # When, then
    assert made(api.post(at, {"name": "team-a", "description": "ours"})) == {
        "name": "team-a",
        "description": "ours",
        "default_artifact_root": "mlflow-artifacts:/team-a",
    }
    assert names(api) == ["default", "team-a"]
    assert api.get(f"{at}/team-a").ok()["workspace"]["description"] == "ours"
    changed = api.patch(f"{at}/team-a", {"description": ""}).ok()["workspace"]
    assert "description" not in changed
    deleted = api.delete(f"{at}/team-a")
    assert (deleted.status, deleted.content) == (204, b"")
    assert "content-type" not in deleted.headers
    for method in ("GET", "PATCH", "DELETE"):
        reply = api.request(method, f"{at}/team-a", {"description": "x"})
        assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST"), method
    assert names(api) == ["default"]
    # And its name stays taken, since it can be brought back
    assert api.post(at, {"name": "team-a"}).error == (400, "RESOURCE_ALREADY_EXISTS")


def test_what_is_refused(api: Api) -> None:
    # Given
    api.post(AT, {"name": "team"})
    trace = {"trace_archival_config": {"location": "s3://b", "retention": "30d"}}
    cases: dict[str, tuple[Reply, str]] = {
        "no name": (api.post(AT, {"description": "x"}), "name"),
        "bad name": (api.post(AT, {"name": "Team"}), "name"),
        "reserved": (api.post(AT, {"name": "api"}), "name"),
        "root": (api.post(AT, {"name": "a1", "default_artifact_root": "s3://b"}), "default_artifact_root"),
        "trace": (api.post(AT, {"name": "a1", **trace}), "trace_archival_config"),
        "root later": (api.patch(f"{AT}/team", {"default_artifact_root": "/x"}), "default_artifact_root"),
        "trace later": (api.patch(f"{AT}/team", trace), "trace_archival_config"),
        "mode": (api.delete(f"{AT}/team?mode=FORCE"), "mode"),
    }
    # Then
    assert_refused(
        {case: reply for case, (reply, _) in cases.items()},
        {case: field for case, (_, field) in cases.items()},
    )
    assert api.patch(f"{AT}/team", {}).error == (400, "INVALID_PARAMETER_VALUE")
    assert api.post(AT, {"name": "default"}).error == (400, "RESOURCE_ALREADY_EXISTS")
    assert api.get(f"{AT}/nobody").error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert api.delete(f"{AT}/team?mode=SET_DEFAULT").error == (501, "NOT_IMPLEMENTED")
    assert names(api) == ["default", "team"]


def test_its_own_root_and_empty_places_are_taken(api: Api) -> None:
    empty = {"default_artifact_root": "", "trace_archival_config": {"location": "", "retention": ""}}
    assert made(api.post(AT, {"name": "team", **empty}))
    own = {"default_artifact_root": "mlflow-artifacts:/team"}
    assert api.patch(f"{AT}/team", own).ok()["workspace"]["name"] == "team"


@pytest.mark.parametrize("what", ["experiment", "run", "model"])
def test_restrict_refuses_what_is_not_empty(api: Api, what: str) -> None:
    # Given
    api.post(AT, {"name": "full"})
    at = "/w/full/api/2.0/mlflow/"
    if what == "experiment":
        found = api.post(f"{at}experiments/create", {"name": "x"}).ok()["experiment_id"]
        api.post(f"{at}experiments/delete", {"experiment_id": found}).ok()
    elif what == "run":
        api.post(f"{at}runs/create", {}).ok()
    else:
        api.post(f"{at}logged-models", {"experiment_id": "0"}).ok()
    # When
    for mode in ("", "?mode=RESTRICT"):
        reply = api.delete(f"{AT}/full{mode}")
        # Then
        assert reply.error == (400, "INVALID_PARAMETER_VALUE")
        assert reply.field == "mode"
        assert "CASCADE" in reply.message
    assert api.delete(f"{AT}/full?mode=CASCADE").status == 204
    assert api.get("/api/runyard/1/workspaces/full").ok()["state"] == "deleted"


def test_the_server_says_that_it_has_workspaces(api: Api) -> None:
    for base in BASES:
        assert api.get(f"{base}server-info").ok()["workspaces_enabled"] is True
        assert api.get(f"/w/default{base}server-info").ok()["workspaces_enabled"] is True
