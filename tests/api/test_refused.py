"""What MLflow has and this server doesn't is refused with a reason; what nobody has isn't there."""

from __future__ import annotations

from pathlib import Path

from tests.api.conftest import Api

ENDPOINTS = [
    line.split(" ", 1)
    for line in (Path(__file__).parents[1] / "architecture" / "mlflow_endpoints.txt").read_text().splitlines()
]


def test_every_endpoint_of_mlflow_is_answered_or_refused_with_a_reason(api: Api) -> None:
    refused = 0
    for method, path in ENDPOINTS:
        # When
        reply = api.request(method, path.replace("{", "").replace("}", ""), content=b"{}")
        # Then
        if reply.status == 501:
            refused += 1
            assert reply.error == (501, "NOT_IMPLEMENTED")
            assert reply.message.startswith("This server doesn't offer ")
            assert ": " in reply.message
        else:
            assert reply.error[1] != "ENDPOINT_NOT_FOUND", (method, path, reply)
    assert refused > 100


HINTS = [
    ("POST", "/api/2.0/mlflow/registered-models/create", "model registry"),
    ("GET", "/ajax-api/3.0/mlflow/model-versions/search?filter=x", "model registry"),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/default/0/r/artifacts/x", "/mlflow-artifacts/artifacts/"),
    ("POST", "/graphql", "REST"),
    ("GET", "/api/4.0/mlflow/traces/x", "versions 2.0 and 3.0"),
    ("DELETE", "/api/3.0/mlflow/datasets/d-1", "runs/log-inputs"),
    ("GET", "/api/2.0/mlflow/logged-models/m-1/artifacts/credentials-for-download", "credentials"),
    ("POST", "/ajax-api/3.0/jobs/search", "background jobs"),
]


def test_a_refusal_says_what_to_do_instead(api: Api) -> None:
    for method, path, hint in HINTS:
        reply = api.request(method, path, content=b"{}")
        assert reply.error == (501, "NOT_IMPLEMENTED")
        assert hint in reply.message


def test_what_nobody_has_is_not_there(api: Api) -> None:
    for path in (
        "/nowhere",
        "/api",
        "/api/2.0/mlflow/runs/nope",
        "/api/2.0/mlflow/experiments/lists",
        "/api/2.0/mlflow/registered-modelsx",
        "/api/1.0/mlflow/runs/get",
        "/api/2.0/preview/mlflow/runs/get",
        "/api/runyard/1/nope",
        "/api/runyard/2/server",
        "/x" * 3000,
    ):
        reply = api.get(path)
        assert reply.error == (404, "ENDPOINT_NOT_FOUND"), path
        assert path[:100] in reply.message
        assert len(reply.message) < 300


def test_a_method_that_an_address_lacks_is_refused_with_those_it_has(api: Api) -> None:
    for method, path, allowed in (
        ("GET", "/api/2.0/mlflow/runs/create", "POST"),
        ("POST", "/api/2.0/mlflow/runs/get", "GET"),
        ("DELETE", "/api/2.0/mlflow/experiments/search", "GET, POST"),
        ("PUT", "/api/2.0/mlflow/logged-models/m-1", "DELETE, GET, PATCH"),
        ("POST", "/api/2.0/mlflow-artifacts/artifacts/x", "DELETE, GET, PUT"),
        ("OPTIONS", "/api/2.0/mlflow/runs/get", "GET"),
        ("POST", "/health", "GET"),
    ):
        reply = api.request(method, path, content=b"{}")
        assert reply.error == (405, "BAD_REQUEST"), (method, path)
        assert reply.headers["allow"] == allowed
        assert allowed in reply.message
