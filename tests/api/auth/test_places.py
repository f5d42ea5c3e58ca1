"""A permission somewhere is none elsewhere: what is asked is whether it is held at the place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.conftest import Api

MEMBERS, RULES = f"{NATIVE}/workspaces/{OWN}/members", f"{NATIVE}/workspaces/{OWN}/rules"
POINT = {"key": "m", "value": 1, "timestamp": 1}


@pytest.fixture
def filled(team: Team) -> tuple[str, str]:
    """An experiment of the owner's with a run in it that has a metric, a dataset and a model."""
    owner = team["owner"]
    experiment = owner.experiment("/Shared/filled")
    run = owner.run(experiment)
    owner.post("runs/log-metric", {"run_id": run, **POINT}).ok()
    dataset = {"name": "d", "digest": "1", "source_type": "t", "source": "s"}
    owner.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset}]}).ok()
    owner.post("logged-models", {"experiment_id": experiment, "source_run_id": run}).ok()
    return experiment, run


def test_who_may_not_read_runs_finds_none(team: Team, filled: tuple[str, str]) -> None:
    # Given a role for experiments only, whose holder manages one of its own
    experiment, run = filled
    role = {"actions": ["experiments/*"], "not_actions": ["experiments/runs/*"]}
    team["admin"].put(f"{NATIVE}/roles/Librarian", role).ok()
    team["owner"].put(f"{MEMBERS}/stranger/Librarian").ok()
    stranger = team["stranger"]
    own = stranger.run(stranger.experiment("/Shared/own"))
    # Then
    assert stranger.get("experiments/get", {"experiment_id": experiment}).status == 200
    assert stranger.get("runs/get", {"run_id": own}).status == 200
    assert stranger.get("runs/get", {"run_id": run}).status == 403
    asked = {"experiment_ids": [experiment]}
    assert "runs" not in stranger.post("runs/search", asked).ok()
    assert "models" not in stranger.post("logged-models/search", asked).ok()
    assert "dataset_summaries" not in stranger.post("experiments/search-datasets", asked).ok()
    assert stranger.post(f"{NATIVE}/runs/table", {"experiment_ids": [experiment]}).ok()["run_ids"] == []
    assert stranger.post(f"{NATIVE}/runs/count", {"experiment_ids": [experiment]}).ok()["count"] == 0
    assert stranger.get(f"{NATIVE}/experiments/{experiment}/keys").status == 403
    assert stranger.get(f"{NATIVE}/experiments/{experiment}/quotas").status == 403
    assert stranger.get(f"{NATIVE}/runs/{run}/quotas").status == 403


def test_a_rename_goes_by_the_rules_of_the_new_folder(team: Team) -> None:
    # Given a folder from which somebody is kept out, and an experiment that is its own
    rule = {"path": "/Secret", "principal": "contributor", "level": "NO_PERMISSION"}
    team["owner"].put(RULES, rule).ok()
    taken = team["owner"].experiment("/Secret/x")
    contributor = team["contributor"]
    mine = contributor.experiment("/Shared/mine")
    # Then
    for name in ("/Secret/x", "/Secret/y"):
        reply = contributor.post("experiments/update", {"experiment_id": mine, "new_name": name})
        assert reply.error == (403, "PERMISSION_DENIED")
    assert contributor.get("experiments/get", {"experiment_id": taken}).status == 404
    contributor.post("experiments/update", {"experiment_id": mine, "new_name": "/Shared/ours"}).ok()


def test_a_runs_token_measures_no_model_of_another_run(team: Team, filled: tuple[str, str]) -> None:
    experiment, _ = filled
    owner = team["owner"]
    (model,) = owner.post("logged-models/search", {"experiment_ids": [experiment]}).ok()["models"]
    run = owner.run(experiment)
    holder = team.api.as_(owner.post(f"{NATIVE}/tokens/run", {"run_id": run}).ok()["token"])
    of_other = {"run_id": run, **POINT, "model_id": model["info"]["model_id"]}
    assert holder.post("runs/log-metric", of_other).status == 404
    assert holder.post("runs/log-metric", {"run_id": run, **POINT}).status == 200
    assert holder.get(f"{NATIVE}/experiments/{experiment}/keys").ok()["metrics"] == []
    told = holder.get(f"{NATIVE}/experiments/{experiment}/quotas").ok()["items"]
    assert {one["used"] for one in told} == {None}
    assert holder.get(f"{NATIVE}/runs/{run}/quotas").ok()["items"][0]["used"] == 1
    assert holder.get(f"{NATIVE}/runs/{filled[1]}/quotas").status == 404
    found = holder.post("experiments/search-datasets", {"experiment_ids": [experiment]}).ok()
    assert "dataset_summaries" not in found


def test_who_is_only_kept_out_does_not_see_the_workspace(team: Team) -> None:
    rule = {"path": "/", "principal": "stranger", "level": "NO_PERMISSION"}
    team["owner"].put(RULES, rule).ok()
    assert team["stranger"].get(f"{NATIVE}/workspaces").ok()["items"] == []


def test_only_who_could_delete_a_workspace_stops_the_work_in_it(team: Team) -> None:
    at = f"{NATIVE}/workspaces/{OWN}"
    assert team["contributor"].patch(at, {"description": "ours"}).status == 200
    assert team["contributor"].patch(at, {"state": "archived"}).error == (403, "PERMISSION_DENIED")


def test_an_upload_in_parts_has_addresses_of_some_length(team: Team) -> None:
    api: Api = team["owner"]
    experiment = api.experiment()
    run = api.run(experiment)
    root, sent = f"{OWN}/{experiment}/{run}/artifacts", {"path": "x", "num_parts": 10_000}
    usual = f"{root}/{'d/' * 50}{chr(0xE4) * 100}"
    assert api.post(f"/api/2.0/mlflow-artifacts/mpu/create/{usual}", sent).status == 200
    long = "/".join([root, *[chr(0x1F600) * 60] * 40])
    reply = api.post(f"/api/2.0/mlflow-artifacts/mpu/create/{long}", sent)
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == "num_parts"


def test_the_log_is_closed_to_who_is_kept_out_of_a_folder(team: Team) -> None:
    log = f"{NATIVE}/activity"
    assert team["contributor"].get(log).status == 200
    rule = {"path": "/Secret", "principal": "contributor", "level": "NO_PERMISSION"}
    team["owner"].put(RULES, rule).ok()
    assert team["contributor"].get(log).error == (403, "PERMISSION_DENIED")
    assert team["owner"].get(log).status == 200


def test_a_run_belongs_to_whoever_is_signed_in_unless_somebody_is_named(team: Team) -> None:
    # Given
    scientist = team["scientist"]
    experiment = scientist.experiment()

    def user(api: Api, **sent: Any) -> Any:
        run = api.post("runs/create", {"experiment_id": experiment, **sent}).ok()["run"]
        again = api.get("runs/get", {"run_id": run["info"]["run_id"]}).ok()["run"]
        assert again["info"] == run["info"]
        assert {tag["key"] for tag in run["data"]["tags"]} == {"mlflow.runName"} | {
            tag["key"] for tag in sent.get("tags", ())
        }
        return run["info"]["user_id"]

    # Then; the second is what MLflow's client sends that knows nobody
    for sent in ({}, {"user_id": "unknown"}, {"user_id": ""}, {"user_id": None}):
        assert user(scientist, **sent) == "scientist"
    assert user(team["program"]) == "program"
    assert user(scientist, user_id="grace", tags=[{"key": "mlflow.user", "value": "grace"}]) == "grace"
    run = scientist.run(experiment)
    holder = team.api.as_(scientist.post(f"{NATIVE}/tokens/run", {"run_id": run}).ok()["token"])
    assert user(holder, tags=[{"key": "mlflow.parentRunId", "value": run}]) == "scientist"
    found = scientist.post("runs/search", {"experiment_ids": [experiment], "filter": "user_id = 'program'"})
    assert len(found.ok()["runs"]) == 1
