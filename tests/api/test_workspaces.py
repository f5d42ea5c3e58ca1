"""A server with one workspace refuses to be another one."""

from __future__ import annotations

from tests.api.conftest import Api


def test_another_workspace_is_refused(api: Api) -> None:
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    named = api.request("GET", path, headers={"X-MLFLOW-WORKSPACE": "other"})
    assert named.error == (400, "INVALID_PARAMETER_VALUE")
    assert named.field == "X-MLFLOW-WORKSPACE"
    assert "'other'" in named.message
    assert api.request("GET", path, headers={"X-MLFLOW-WORKSPACE": "default"}).status == 200
    # Clients ask this before they know what they may send.
    info = "/api/3.0/mlflow/server-info"
    assert api.request("GET", info, headers={"X-MLFLOW-WORKSPACE": "other"}).status == 200
