from __future__ import annotations

import pytest

from runyard.server.web.routes import Router, Twin
from tests.unit.server.web.asgi import Permission, route


def _router(*entries: tuple[str, str]) -> Router:
    return Router((method, path, f"{method} {path}") for method, path in entries)


ROUTER = _router(
    ("GET", "/models"),
    ("POST", "/models"),
    ("GET", "/models/search"),
    ("GET", "/models/{id}"),
    ("DELETE", "/models/{id}"),
    ("GET", "/models/{id}/tags/{key}"),
    ("GET", "/files/{path:path}"),
)


@pytest.mark.parametrize(
    ("method", "path", "target", "values"),
    [
        ("GET", "/models", "GET /models", {}),
        ("POST", "/models", "POST /models", {}),
        ("GET", "/models/search", "GET /models/search", {}),
        ("GET", "/models/7", "GET /models/{id}", {"id": "7"}),
        ("DELETE", "/models/search", "DELETE /models/{id}", {"id": "search"}),
        ("GET", "/models/7/tags/a", "GET /models/{id}/tags/{key}", {"id": "7", "key": "a"}),
        ("GET", "/files/a/b c/d", "GET /files/{path:path}", {"path": "a/b c/d"}),
    ],
)
def test_a_route_is_found(method: str, path: str, target: str, values: dict[str, str]) -> None:
    assert ROUTER.find(method, path) == (target, values)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/models"),
        ("GET", "/"),
        ("GET", "/models/7/tags"),
        ("GET", "/files"),
        ("GET", "/models//tags/a"),
    ],
)
def test_nothing_else_is_found(method: str, path: str) -> None:
    assert ROUTER.find(method, path) is None


def test_the_methods_of_a_path_are_known() -> None:
    assert ROUTER.methods("/models") == {"GET", "POST"}
    assert ROUTER.methods("/models/search") == {"GET", "DELETE"}
    assert ROUTER.methods("/files/a/b") == {"GET"}
    assert ROUTER.methods("/x") == set()


@pytest.mark.parametrize("path", ["/a", "/a/{id}", "/a/{path:path}"])
def test_two_routes_at_one_place_are_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match="two routes at GET"):
        _router(("GET", path), ("GET", path))


def test_twins_are_one_route_at_several_addresses() -> None:
    # Given
    async def handler(call: object) -> None:
        return None

    original = route(handler, "POST", "/mlflow/x", tag="x")
    # When
    twins = Twin(("/api/2.0", "/ajax-api/2.0")).expand(original)
    # Then
    assert [t.path for t in twins] == ["/api/2.0/mlflow/x", "/ajax-api/2.0/mlflow/x"]
    assert [t.alias for t in twins] == [False, True]
    assert {(t.method, t.handler, t.permission, t.tag) for t in twins} == {
        ("POST", handler, Permission.ANY, "x")
    }
