"""The id 0, which clients send when they chose no experiment, means the workspace's own default one."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.server import app, settings
from tests.api.conftest import MLFLOW, Api
from tests.api.derived import fields_of

AT = f"/w/team{MLFLOW}"
NATIVE = "/w/team/api/runyard/1/"


class Team:
    """A workspace with something in its default experiment, and something in that of `default`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.own = str(api.post("/api/runyard/1/workspaces", {"name": "team"}).ok()["default_experiment_id"])
        api.run("0", run_name="of default")
        api.post("logged-models", {"experiment_id": "0", "name": "of default"}).ok()

    def post(self, path: str, **sent: Any) -> Any:
        """An answer of the workspace."""
        return self.api.post((NATIVE if path in ("runs/table", "runs/count") else AT) + path, sent).ok()

    def get(self, path: str, **query: Any) -> Any:
        """An answer of the workspace."""
        return self.api.get(AT + path, query).ok()


@pytest.fixture
def team(api: Api) -> Team:
    return Team(api)


def test_every_request_that_names_an_experiment_is_tested_here(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    built = app.build(settings.load({"data": str(tmp_path_factory.mktemp("data"))}, environment={}))
    found = {
        route.path.replace(MLFLOW, "").replace("/api/runyard/1/", "")
        for route in built.routes
        if not route.alias
        and (
            "{experiment_id}" in route.path
            or (route.request and {"experiment_id", "experiment_ids"} & fields_of(route))
        )
    }
    assert found == {
        "experiments/get",
        "experiments/update",
        "experiments/delete",
        "experiments/restore",
        "experiments/set-experiment-tag",
        "experiments/delete-experiment-tag",
        "experiments/search-datasets",
        "experiments/{experiment_id}/keys",
        "experiments/{experiment_id}/quotas",
        "experiments/{experiment_id}/restore",
        "runs/create",
        "runs/search",
        "runs/table",
        "runs/count",
        "logged-models",
        "logged-models/search",
        "databricks/runs/delete-runs",
        "databricks/runs/restore-runs",
        "trash",
        "trash/purge",
        "workspaces/{workspace}/access",
        "workspaces/{workspace}/rules",
    }


def test_the_experiment_itself(team: Team) -> None:
    # When
    team.post("experiments/set-experiment-tag", experiment_id="0", key="k", value="v")
    team.post("experiments/update", experiment_id="0", new_name="ours")
    # Then
    found = team.get("experiments/get", experiment_id="0")["experiment"]
    assert found == team.get("experiments/get", experiment_id=team.own)["experiment"]
    assert (found["experiment_id"], found["name"]) == (team.own, "ours")
    assert found["tags"] == [{"key": "k", "value": "v"}]
    team.post("experiments/delete-experiment-tag", experiment_id="0", key="k")
    team.post("experiments/delete", experiment_id="0")
    found = team.get("experiments/get", experiment_id=team.own)["experiment"]
    assert (found["lifecycle_stage"], found.get("tags")) == ("deleted", None)
    team.post("experiments/restore", experiment_id="0")
    assert team.get("experiments/get", experiment_id="0")["experiment"]["lifecycle_stage"] == "active"
    team.post("experiments/delete", experiment_id="0")
    team.api.post(f"{NATIVE}experiments/0/restore", {}).ok()
    assert team.get("experiments/get", experiment_id="0")["experiment"]["lifecycle_stage"] == "active"
    # And that of another workspace is as it was
    other = team.api.get("experiments/get", {"experiment_id": "0"}).ok()["experiment"]
    assert (other["experiment_id"], other["name"], other.get("tags")) == ("0", "Default", None)


@pytest.mark.parametrize("sent", [{}, {"experiment_id": "0"}, {"experiment_id": ""}])
def test_a_new_run_is_in_it(team: Team, sent: dict[str, str]) -> None:
    info = team.post("runs/create", **sent)["run"]["info"]
    assert info["experiment_id"] == team.own
    assert info["artifact_uri"] == f"mlflow-artifacts:/team/{team.own}/{info['run_id']}/artifacts"


def test_searches_find_what_is_in_it(team: Team) -> None:
    # Given
    run = team.post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    team.post("runs/log-metric", run_id=run, key="m", value=1, timestamp=1)
    dataset = {"name": "d", "digest": "1", "source_type": "t", "source": "s"}
    team.post("runs/log-inputs", run_id=run, datasets=[{"dataset": dataset}])
    model = team.post("logged-models", experiment_id="0")["model"]["info"]
    assert model["experiment_id"] == team.own
    # Then
    for named in (["0"], [team.own], ["0", team.own]):
        (found,) = team.post("runs/search", experiment_ids=named)["runs"]
        assert found["info"]["run_id"] == run
        (found,) = team.post("logged-models/search", experiment_ids=named)["models"]
        assert found["info"]["model_id"] == model["model_id"]
        (found,) = team.post("experiments/search-datasets", experiment_ids=named)["dataset_summaries"]
        assert (found["experiment_id"], found["name"]) == (team.own, "d")
        numbers = [int(one) for one in named]
        assert team.post("runs/table", experiment_ids=numbers)["run_ids"] == [run]
        assert team.post("runs/count", experiment_ids=numbers) == {"count": 1, "more": False}
    keys = team.api.get(f"{NATIVE}experiments/0/keys").ok()
    assert keys == team.api.get(f"{NATIVE}experiments/{team.own}/keys").ok()
    assert keys["metrics"] == ["m"]
    quotas = team.api.get(f"{NATIVE}experiments/0/quotas").ok()
    assert quotas == team.api.get(f"{NATIVE}experiments/{team.own}/quotas").ok()
    assert {one["name"]: one["used"] for one in quotas["items"]}["runs_per_experiment"] == 1


def test_what_is_in_it_goes_and_comes_back(team: Team) -> None:
    # Given
    run = team.post("runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    trash = f"{NATIVE}trash"
    # When, then: by age
    sent = {"experiment_id": "0", "max_timestamp_millis": 2**50, "max_runs": 10}
    assert team.post("databricks/runs/delete-runs", **sent) == {"runs_deleted": 1}
    listed = team.api.get(trash, {"experiment_id": "0"}).ok()["items"]
    assert [one["id"] for one in listed] == [run]
    sent = {"experiment_id": "0", "min_timestamp_millis": 0, "max_runs": 10}
    assert team.post("databricks/runs/restore-runs", **sent) == {"runs_restored": 1}
    # And for good
    team.post("runs/delete", run_id=run)
    purged = team.api.post(f"{trash}/purge", {"all": True, "experiment_id": "0"}).ok()
    assert purged["runs"] == 1
    other = team.api.post("runs/search", {"experiment_ids": ["0"]}).ok()["runs"]
    assert [one["info"]["run_name"] for one in other] == ["of default"]


def test_its_rules_are_its_own(team: Team) -> None:
    rules = "/api/runyard/1/workspaces/team/rules"
    team.api.post("/api/runyard/1/groups", {"name": "all"}).ok()
    team.api.put(rules, {"principal": "all", "level": "CAN_READ", "experiment_id": 0}).ok()
    (found,) = team.api.get(rules, {"experiment_id": "0"}).ok()["items"]
    assert str(found["experiment_id"]) == team.own
    access = "/api/runyard/1/workspaces/team/access"
    user = {"name": "root", "is_admin": True, "password": "correct horse battery"}
    team.api.post("/api/runyard/1/users", user).ok()
    root = team.api.as_(password=("root", "correct horse battery"))
    root.post("/api/runyard/1/users", {"name": "ada"}).ok()
    root.put("/api/runyard/1/groups/all/members/ada").ok()
    told = root.get(access, {"experiment_id": "0"}).ok()
    assert told == root.get(access, {"experiment_id": team.own}).ok()
    assert {one["principal"]: one["level"] for one in told["items"]} == {
        "ada": "CAN_READ",
        "root": "CAN_MANAGE",
    }
