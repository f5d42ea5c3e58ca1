from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runyard.server.web.errors import codes
from runyard.server.web.openapi import document, operation_id
from runyard.server.web.routes import Route, Twin
from tests.unit.server.web.asgi import route


class Inner(msgspec.Struct):
    key: str
    value: float | None = None


class Sent(msgspec.Struct):
    name: str
    limit: int | None = None
    ids: list[str] | None = None
    inner: list[Inner] | None = None


class Given(msgspec.Struct):
    inner: Inner | None = None


async def handler(call: object) -> None:
    return None


def _document(*routes: Route) -> dict[str, Any]:
    return document(routes, title="T", version="1")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/2.0/mlflow/runs/log-metric", "postRunsLogMetric"),
        ("GET", "/api/2.0/mlflow/logged-models/{model_id}", "getLoggedModelsModelId"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/{path:path}", "getMlflowArtifactsArtifactsPath"),
        ("GET", "/api/runyard/1/server", "getServer"),
        ("GET", "/health", "getHealth"),
        ("GET", "/api/2.0/mlflow/workspaces/{workspace}", "getMlflowWorkspacesWorkspace"),
        ("GET", "/api/runyard/1/workspaces/{workspace}", "getWorkspacesWorkspace"),
    ],
)
def test_an_operation_is_named_by_its_method_and_path(method: str, path: str, name: str) -> None:
    assert operation_id(route(handler, method, path)) == name


def test_two_operations_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="getRunsGet"):
        _document(route(handler, path="/api/2.0/mlflow/runs/get"), route(handler, path="/runs/get"))


def test_a_body_is_told_by_reference() -> None:
    told = _document(route(handler, "POST", request=Sent, source="body", response=Given, tag="things"))
    operation = told["paths"]["/a"]["post"]
    assert operation["requestBody"] == {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}}
    }
    assert operation["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Given"}}
    }
    assert operation["tags"] == ["things"]
    assert told["tags"] == [{"name": "things"}]
    assert set(told["components"]["schemas"]) == {"Sent", "Inner", "Given", "ErrorAnswer"}
    assert told["components"]["schemas"]["Sent"]["required"] == ["name"]


def test_a_query_is_told_value_by_value() -> None:
    told = _document(route(handler, request=Sent, source="query"))
    by_name = {p["name"]: p for p in told["paths"]["/a"]["get"]["parameters"]}
    assert by_name["name"] == {"name": "name", "in": "query", "required": True, "schema": {"type": "string"}}
    assert by_name["limit"]["schema"] == {"type": "integer"}
    assert by_name["ids"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert not by_name["ids"]["required"]
    assert "Sent" not in told["components"]["schemas"]


def test_values_in_a_path_are_told() -> None:
    told = _document(route(handler, path="/a/{id}/b/{path:path}"))
    first, rest = told["paths"]["/a/{id}/b/{path}"]["get"]["parameters"]
    assert (first["name"], first["in"], first["required"]) == ("id", "path", True)
    assert "slashes" in rest["description"]


def test_bodies_that_are_no_json_are_told() -> None:
    told = _document(
        route(handler, "PUT", source="stream", response=bytes), route(handler, "GET", "/t", response=str)
    )
    put, get = told["paths"]["/a"]["put"], told["paths"]["/t"]["get"]
    assert set(put["requestBody"]["content"]) == {"application/octet-stream"}
    assert set(put["responses"]["200"]["content"]) == {"*/*"}
    assert {"206", "304"} <= put["responses"].keys()
    assert set(get["responses"]["200"]["content"]) == {"text/plain"}


def test_aliases_are_left_out() -> None:
    routes = Twin(("/api", "/ajax-api")).expand(route(handler))
    assert set(_document(*routes)["paths"]) == {"/api/a"}


def test_every_error_is_told() -> None:
    told = _document(route(handler))
    responses = told["paths"]["/a"]["get"]["responses"]
    assert responses["4XX"] == {"$ref": "#/components/responses/Refused"}
    assert responses["5XX"] == {"$ref": "#/components/responses/Failed"}
    text = " ".join(r["description"] for r in told["components"]["responses"].values())
    assert all(f"{code} ({status})" in text for status, code in codes())


def test_the_needed_permission_is_told() -> None:
    assert _document(route(handler))["paths"]["/a"]["get"]["x-permission"] == "any"
