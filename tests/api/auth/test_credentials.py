"""Credentials that aren't what they seem, and a run's token on its way to other runs."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import update

from runyard.server.auth.tables import token
from runyard.server.db import Query
from tests.api.auth.team import NATIVE, PASSWORD, Team, opened
from tests.api.conftest import Api, Reply

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
POINT = {"key": "m", "value": 1, "timestamp": 1}
UNAUTHENTICATED = (401, "UNAUTHENTICATED")


def _send(team: Team, authorization: str) -> Reply:
    return team.api.request("GET", f"{NATIVE}/whoami", headers={"Authorization": authorization})


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_what_is_no_credential_opens_nothing(team: Team) -> None:
    right = team.token("owner")
    assert _send(team, f"Bearer {right}").status == 200
    sent = {
        "none": "",
        "a scheme alone": "Bearer",
        "no token": "Bearer x",
        "truncated": f"Bearer {right[:-1]}",
        "too long": f"Bearer {right}x",
        "of another kind": f"Bearer ryr_{right.removeprefix('ryp_')}",
        "in other letters": f"Bearer {right.swapcase()}",
        "its hash": "Bearer ryp_" + "0" * 43,
        "an unknown scheme": f"Digest {right}",
        "no base64": "Basic !!!",
        "no colon": _basic("admin").replace("=", ""),
        "a wrong password": _basic("admin:wrong password"),
        "a truncated password": _basic(f"admin:{PASSWORD[:-1]}"),
        "an unknown name": _basic(f"nobody:{PASSWORD}"),
        "a truncated token as a password": _basic(f"admin:{right[:-1]}"),
        "a name with NUL": _basic(f"admin\0:{PASSWORD}"),
    }
    replies = {case: _send(team, value) for case, value in sent.items()}
    assert {case: reply.error for case, reply in replies.items()} == dict.fromkeys(sent, UNAUTHENTICATED)
    assert all(reply.headers["www-authenticate"] for reply in replies.values())


def test_an_expired_token_says_what_to_do(team: Team) -> None:
    with opened(team.url) as database:
        database.write_from_thread(lambda tx: tx.execute(Query(update(token).values(expiry_time=1))))
    reply = team["scientist"].get("experiments/search")
    assert reply.error == UNAUTHENTICATED
    assert "has expired" in reply.message
    assert "runyard token create" in reply.message


class TestARunsToken:
    """It is for one run, its artifacts and its children."""

    @pytest.fixture
    def experiment(self, team: Team) -> str:
        return team["scientist"].experiment("/Shared/scope")

    @pytest.fixture
    def run(self, team: Team, experiment: str) -> str:
        return team["scientist"].run(experiment)

    @pytest.fixture
    def holder(self, team: Team, run: str) -> Api:
        made = team["scientist"].post(f"{NATIVE}/tokens/run", {"run_id": run}).ok()
        return team.api.as_(made["token"])

    def test_it_does_what_a_script_does(self, holder: Api, run: str, experiment: str) -> None:
        holder.post("runs/log-batch", {"run_id": run, "metrics": [POINT], "params": [{"key": "p"}]}).ok()
        holder.request("PUT", f"{ARTIFACTS}/default/{experiment}/{run}/artifacts/a.txt", content=b"a").ok()
        assert holder.get("artifacts/list", {"run_id": run}).ok()["files"][0]["path"] == "a.txt"
        assert holder.get("experiments/get", {"experiment_id": experiment}).status == 200
        parent = [{"key": "mlflow.parentRunId", "value": run}]
        child = holder.run(experiment, tags=parent)
        grandchild = holder.run(experiment, tags=[{"key": "mlflow.parentRunId", "value": child}])
        holder.post("runs/log-metric", {"run_id": grandchild, **POINT}).ok()
        model = holder.post("logged-models", {"experiment_id": experiment, "source_run_id": run}).ok()
        assert holder.get(f"logged-models/{model['model']['info']['model_id']}").status == 200
        found = holder.post("runs/search", {"experiment_ids": [experiment]}).ok()["runs"]
        assert {one["info"]["run_id"] for one in found} == {run, child}
        holder.post("runs/update", {"run_id": run, "status": "FINISHED"}).ok()

    def test_it_reaches_nothing_else(self, team: Team, holder: Api, run: str, experiment: str) -> None:
        # Given another run beside it, with an artifact and a model
        scientist = team["scientist"]
        other = scientist.run(experiment)
        at = f"{ARTIFACTS}/default/{experiment}/{other}/artifacts"
        scientist.request("PUT", f"{at}/a.txt", content=b"a").ok()
        scientist.post("runs/log-metric", {"run_id": other, **POINT}).ok()
        sent = {"experiment_id": experiment, "source_run_id": other}
        model = scientist.post("logged-models", sent).ok()["model"]["info"]["model_id"]
        parent = [{"key": "mlflow.parentRunId", "value": other}]
        # When
        replies = {
            "read": holder.get("runs/get", {"run_id": other}),
            "history": holder.get("metrics/get-history", {"run_id": other, "metric_key": "m"}),
            "chart": holder.post(f"{NATIVE}/metrics/chart", {"run_ids": [other], "keys": ["m"]}),
            "log": holder.post("runs/log-metric", {"run_id": other, **POINT}),
            "tag": holder.post("runs/set-tag", {"run_id": other, "key": "mlflow.parentRunId", "value": run}),
            "list": holder.get("artifacts/list", {"run_id": other}),
            "get-artifact": holder.get("/get-artifact", {"run_id": other, "path": "a.txt"}),
            "download": holder.request("GET", f"{at}/a.txt"),
            "upload": holder.request("PUT", f"{at}/b.txt", content=b"b"),
            "delete": holder.request("DELETE", f"{at}/a.txt"),
            "model": holder.get(f"logged-models/{model}"),
        }
        refused = {
            "a run of its own": holder.post("runs/create", {"experiment_id": experiment}),
            "a child of the other": holder.post("runs/create", {"experiment_id": experiment, "tags": parent}),
            "a model of the other": holder.post("logged-models", sent),
            "deleting": holder.post("runs/delete", {"run_id": run}),
            "a new experiment": holder.post("experiments/create", {"name": "/Shared/mine"}),
        }
        # Then
        assert {case: reply.status for case, reply in replies.items()} == dict.fromkeys(replies, 404)
        assert {case: reply.status for case, reply in refused.items()} == dict.fromkeys(refused, 403)
        everywhere = {"experiment_ids": [experiment, "0"], "filter": f"attributes.run_id = '{other}'"}
        assert "runs" not in holder.post("runs/search", everywhere).ok()
        assert "models" not in holder.post("logged-models/search", {"experiment_ids": [experiment]}).ok()
        assert holder.get("experiments/get", {"experiment_id": "0"}).status == 404
        listed = holder.post("experiments/search", {"max_results": 10}).ok()["experiments"]
        assert [one["experiment_id"] for one in listed] == [experiment]


@pytest.mark.parametrize(
    ("agent", "code"),
    [
        ("mlflow-python-client/1.30.1", "CUSTOMER_UNAUTHORIZED"),
        ("mlflow-python-client/2.2.2", "CUSTOMER_UNAUTHORIZED"),
        ("mlflow-python-client/2.22.5", "UNAUTHENTICATED"),
        ("mlflow-python-client/3.1.0", "UNAUTHENTICATED"),
        ("curl/8", "UNAUTHENTICATED"),
    ],
)
def test_a_client_gets_a_code_that_it_knows(team: Team, agent: str, code: str) -> None:
    reply = team.nobody.request("GET", "/api/2.0/mlflow/experiments/get", headers={"User-Agent": agent})
    assert reply.error == (401, code)
