"""A request chooses its workspace, and finds nothing of another one."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api

GET = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@pytest.mark.parametrize(
    ("path", "header"),
    [(GET, "default"), (f"/w/default{GET}", None), (f"/w/default{GET}", "default"), (GET, " "), (GET, None)],
)
def test_default_may_be_named(api: Api, path: str, header: str | None) -> None:
    headers = {} if header is None else {"X-MLFLOW-WORKSPACE": header}
    assert api.request("GET", path, headers=headers).status == 200


@pytest.mark.parametrize(("path", "header"), [(GET, "other"), (f"/w/other{GET}", None)])
def test_a_workspace_that_does_not_exist_is_missing(api: Api, path: str, header: str | None) -> None:
    reply = api.request("GET", path, headers={"X-MLFLOW-WORKSPACE": header} if header else {})
    assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "'other'" in reply.message


def test_two_names_are_refused(api: Api) -> None:
    reply = api.request("GET", f"/w/default{GET}", headers={"X-MLFLOW-WORKSPACE": "other"})
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == "X-MLFLOW-WORKSPACE"
