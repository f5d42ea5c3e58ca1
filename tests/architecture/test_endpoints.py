"""Every endpoint of MLflow is answered or refused with a reason, and every route declares its permission."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runyard.server.app import build
from runyard.server.auth import Permission
from runyard.server.kernel.errors import NotImplementedHere
from runyard.server.mlflow_api.refused import REFUSED, refusal_of
from runyard.server.settings import load
from runyard.server.web import Application

# Method and path of every endpoint in the protocol files and handlers of mlflow 3.17.
ENDPOINTS = [
    tuple(line.split(" ", 1))
    for line in (Path(__file__).parent / "mlflow_endpoints.txt").read_text().splitlines()
]
# A slip in MLflow's table: the slash after the version is missing.
MISSPELT = {"/api/2.0mlflow/experiments/search-datasets"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    return build(load({"data": str(tmp_path_factory.mktemp("data"))}, {}))


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_mlflow_endpoint_is_answered_or_refused(application: Application) -> None:
    answered = {(route.method, _shape(route.path)) for route in application.routes}
    unknown = [
        f"{method} {path}"
        for method, path in ENDPOINTS
        if path not in MISSPELT
        and (method, _shape(path)) not in answered
        and not isinstance(refusal_of(path.replace("{", "").replace("}", "")), NotImplementedHere)
    ]
    assert unknown == []


def test_no_endpoint_is_both_answered_and_refused(application: Application) -> None:
    both = [
        route.path
        for route in application.routes
        if isinstance(refusal_of(route.path.replace("{", "").replace("}", "")), NotImplementedHere)
    ]
    assert both == []


def test_every_refusal_refuses_something() -> None:
    starts = {
        path.split("/", 3)[3] for _, path in ENDPOINTS if path.startswith("/api/") and path.count("/") > 2
    }
    idle = [
        refusal.start
        for refusal in REFUSED
        if refusal.start != "jobs" and not any(rest.startswith(refusal.start) for rest in starts)
    ]
    assert idle == []


def test_every_route_declares_a_permission(application: Application) -> None:
    undeclared = [route.path for route in application.routes if not isinstance(route.permission, Permission)]
    assert undeclared == []


def test_only_these_routes_are_public(application: Application) -> None:
    public = {
        route.path
        for route in application.routes
        if route.permission is Permission.PUBLIC and not route.alias
    }
    assert public == {
        "/health",
        "/version",
        "/api/openapi.json",
        "/api/2.0/mlflow/server-info",
        # Pages: they decide themselves what a visitor may see.
        "/",
        "/login",
        "/logout",
        "/cli",
        "/tokens",
        # For who isn't signed in yet; a code is the credential.
        "/api/runyard/1/login",
        "/api/runyard/1/tokens/exchange",
    }


def test_a_provider_adds_only_the_way_there_and_back(tmp_path: Path, application: Application) -> None:
    settings = {
        "data": str(tmp_path),
        "public_url": "https://ml.example.org",
        "oidc_issuer": "https://login.example.org",
        "oidc_client_id": "runyard",
        "oidc_client_secret": "secret",
    }
    known = {(route.method, route.path) for route in application.routes}
    added = {
        (route.method, route.path): route.permission
        for route in build(load(settings, {})).routes
        if (route.method, route.path) not in known
    }
    assert added == {
        ("GET", "/login/oidc"): Permission.PUBLIC,
        ("GET", "/login/oidc/callback"): Permission.PUBLIC,
        ("PUT", "/api/runyard/1/users/{name}/oidc"): Permission.USER_WRITE,
    }
