"""No request, however wrong, is answered with a fault of the server.

What is sent is derived from the table of routes: every field of every request struct, with values of
wrong types, at the edges of its type, and with what has broken other servers.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from runyard.server import app, settings
from runyard.server.web import Route
from tests.api.conftest import Api
from tests.api.derived import Place, check, name_of, places, takes, with_value

INVALID = (400, "INVALID_PARAMETER_VALUE")

# Values that some field takes and another can't.
WRONG: tuple[Any, ...] = (
    5,
    1.5,
    True,
    "x",
    [],
    {},
    [5],
    [[]],
    [None],
    [{"x": {}}],
    2**63,
    -(2**63) - 1,
    10**400,
)
HOSTILE: tuple[Any, ...] = (
    *WRONG,
    None,
    "",
    " ",
    "\n",
    "x" * 100_000,
    "🦆" * 300,
    "../..",
    "%2e%2e%00",
    "' OR 1=1; DROP TABLE run --",
    "\u202e\ufeff\uffff",
    "e\u0301\U0010ffff",
    "${jndi:ldap://x}",
    0,
    -1,
    2**31,
    2**63 - 1,
    -(2**63),
    1e308,
    -0.0,
    float("nan"),
    float("-inf"),
    "NaN",
    "9" * 5000,
)
MALFORMED = (
    b"{",
    b"{bad",
    b'{"a": }',
    b'{"a": 1,}',
    b'{"a": "\x00"}',
    b"\xff\xfe{\x00}\x00",
    b'{"a": "\\ud800", "b": NaN}',
    b'{"a": "\\u0000", "b": NaN}',
    b'{"a": "\\u0000"}',
    b'{"a": [NaN, }',
    b"NaN",
    b"[",
    b"[]",
    b"[[1]]",
    b"5",
    b'"text"',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a":' * 5000 + b"NaN" + b"}" * 5000,
    b"\x00" * 1000,
    b"<xml/>",
    b"a=b&c=d",
)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """Every documented route."""
    built = app.build(settings.load({"data": str(tmp_path_factory.mktemp("data"))}, environment={}))
    return [route for route in built.routes if not route.alias]


def test_a_value_of_a_wrong_type_is_refused_with_its_place(api: Api, routes: list[Route]) -> None:
    # Given
    place = Place(api)
    for route in (route for route in routes if route.source == "body"):
        # When
        assert route.request is not None
        cases = [
            (path, value)
            for path, kind in places(msgspec.inspect.type_info(route.request))
            for value in WRONG
            if not takes(kind, value)
        ]
        valid = place.valid(route)
        replies = api.together(
            (route.method, place.path(route), with_value(valid, path, value)) for path, value in cases
        )
        # Then
        assert len(cases) >= 5
        for (path, value), reply in zip(cases, replies, strict=True):
            assert reply.error == INVALID, (route.path, path, value, reply)
            field = str(reply.field)
            assert field.startswith(name_of(path)), (route.path, path, value, reply)
            check(reply)


def test_hostile_values_break_nothing(api: Api, routes: list[Route]) -> None:
    # Given
    place = Place(api)
    for route in (route for route in routes if route.source == "body"):
        assert route.request is not None
        valid = place.valid(route)
        for path, _ in places(msgspec.inspect.type_info(route.request)):
            # When
            replies = api.together(
                (route.method, place.path(route), with_value(valid, path, value)) for value in HOSTILE
            )
            # Then
            for reply in replies:
                check(reply)
    assert api.run(api.experiment())


def test_hostile_queries_break_nothing(api: Api, routes: list[Route]) -> None:
    # Given
    place = Place(api)
    texts = [value for value in HOSTILE if isinstance(value, str) and len(value) < 10_000]
    numbers = [str(value) for value in HOSTILE if isinstance(value, int | float)][:-1]
    raw = ["%00", "%ff", "%ed%a0%80", "%", "%zz", "+", "%2525", "&&", ";", "=" * 20_000]
    for route in (route for route in routes if route.source == "query"):
        valid = place.valid(route)
        for name in [*valid, "unknown"]:
            rest = urlencode({k: v for k, v in valid.items() if k != name}, doseq=True)
            # When
            replies = api.together(
                (route.method, f"{place.path(route)}?{rest}&{wrong}", None)
                for wrong in (
                    *(urlencode({name: value}) for value in texts + numbers),
                    *(f"{name}={value}" for value in raw),
                    urlencode({name: ["a", "b"]}, doseq=True),
                )
            )
            # Then
            for reply in replies:
                check(reply)


def test_malformed_bodies_are_refused_everywhere(api: Api, routes: list[Route]) -> None:
    # Given
    place = Place(api)
    for route in (route for route in routes if route.source == "body"):
        for content in MALFORMED:
            # When
            reply = api.request(route.method, place.path(route), content=content)
            # Then
            assert reply.error in (INVALID, (400, "BAD_REQUEST")), (route.path, content[:50], reply)
            check(reply)
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/json; charset=latin-1",
        ):
            reply = api.request(
                route.method, place.path(route), content=b'{"name": "x"}', headers={"Content-Type": kind}
            )
            assert reply.error == (415, "BAD_REQUEST")


BAD_TEXTS = (
    b'{"name": "\xff"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud800"}',
    b'{"name": "\\udc00\\ud800"}',
    b'{"name": "\\ud800", "x": NaN}',
    b'{"name": "a\\u0000"}',
    b'{"name": "a\\u0000", "x": -Infinity}',
    b'{"name": "a", "tags": [{"key": "k", "value": "\\ud800"}], "x": NaN}',
)


def test_texts_that_are_no_unicode_are_refused(api: Api) -> None:
    for content in BAD_TEXTS:
        # When
        reply = api.request("POST", "experiments/create", content=content)
        # Then
        assert reply.error in (INVALID, (400, "BAD_REQUEST")), content
        check(reply)
    # Then: pairs of surrogates are a character
    reply = api.request("POST", "experiments/create", content=b'{"name": "\\ud83e\\udd86", "x": NaN}')
    found = api.get("experiments/get", {"experiment_id": reply.ok()["experiment_id"]}).ok()
    assert found["experiment"]["name"] == "\U0001f986"


def test_addresses_break_nothing(api: Api, routes: list[Route]) -> None:
    # Given
    place = Place(api)
    names = [
        "x",
        "%00",
        "%ff",
        "..",
        "%2e%2e",
        "x" * 5000,
        "a%2fb",
        "'",
        "%F0%9F%A6%86",
        "9" * 5000,
        "-1",
        " ",
    ]
    for route in (route for route in routes if "{" in route.path):
        for method in {route.method, "GET", "POST", "PATCH", "DELETE", "PUT"}:
            # When
            replies = [
                api.request(method, _with_parameters(route.path, name), content=b"{}") for name in names
            ]
            # Then
            for reply in replies:
                check(reply)
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        for path in (
            "/api/2.0/mlflow/runs/nope",
            "/api",
            "/nowhere",
            "/%00",
            "/%ff",
            "//",
            "/api/2.0/mlflow",
        ):
            start_page = (method, path) == ("GET", "//")
            check(api.request(method, path, content=b"{}"), refused=not start_page)
    del place


def test_many_items_are_refused(api: Api) -> None:
    # Given
    place = Place(api)
    pairs = [{"key": f"k{i}", "value": "v"} for i in range(100_000)]
    points = [{"key": "m", "value": i, "timestamp": i} for i in range(100_000)]
    model = f"logged-models/{place.model}"
    cases: list[tuple[str, str, dict[str, Any], str]] = [
        ("POST", "experiments/create", {"name": "n", "tags": pairs}, "tags"),
        ("POST", "runs/create", {"experiment_id": "0", "tags": pairs}, "tags"),
        ("POST", "runs/log-batch", {"run_id": place.run, "metrics": points}, "metrics"),
        ("POST", "runs/log-batch", {"run_id": place.run, "params": pairs}, "params"),
        ("POST", "runs/log-batch", {"run_id": place.run, "tags": pairs}, "tags"),
        ("POST", "runs/search", {"experiment_ids": list(map(str, range(100_000)))}, "experiment_ids"),
        ("POST", "runs/search", {"experiment_ids": ["0"], "order_by": ["metrics.m"] * 100_000}, "order_by"),
        ("POST", "experiments/search", {"order_by": ["name"] * 100_000}, "order_by"),
        ("POST", "experiments/search-datasets", {"experiment_ids": ["0"] * 100_000}, "experiment_ids"),
        ("POST", "runs/log-inputs", {"run_id": place.run, "models": [{"model_id": "m"}] * 100_000}, "models"),
        ("POST", "runs/outputs", {"run_id": place.run, "models": [{"model_id": "m"}] * 100_000}, "models"),
        ("POST", "logged-models", {"experiment_id": "0", "params": pairs}, "params"),
        ("POST", "logged-models", {"experiment_id": "0", "tags": pairs}, "tags"),
        ("PATCH", f"{model}/tags", {"tags": pairs}, "tags"),
        ("POST", f"{model}/params", {"params": pairs}, "params"),
        ("POST", "logged-models/search", {"experiment_ids": ["0"] * 100_000}, "experiment_ids"),
    ]
    for method, path, sent, field in cases:
        # When
        reply = api.request(method, path, sent)
        # Then
        assert reply.error == INVALID, (path, field, reply)
        assert str(reply.field).startswith(field), (path, field, reply)
        assert any(character.isdigit() for character in reply.message)


def test_long_bodies_are_refused(api: Api) -> None:
    # Given
    place = Place(api)
    long = "x" * 10_000_000
    for path, sent, field in (
        ("experiments/create", {"name": long}, "name"),
        ("runs/create", {"run_name": long}, "run_name"),
        ("runs/set-tag", {"run_id": place.run, "key": "a", "value": long}, "value"),
        ("runs/set-tag", {"run_id": place.run, "key": long, "value": "v"}, "key"),
        ("runs/log-parameter", {"run_id": place.run, "key": "a", "value": long}, "value"),
        ("runs/log-metric", {"run_id": place.run, "key": long, "value": 1, "timestamp": 1}, "key"),
        ("runs/log-model", {"run_id": place.run, "model_json": long}, "model_json"),
        ("runs/search", {"experiment_ids": ["0"], "filter": f"params.a = '{long}'"}, "filter"),
        ("runs/search", {"experiment_ids": ["0"], "page_token": long}, "page_token"),
        ("runs/search", {"experiment_ids": [long]}, "experiment_ids[0]"),
        ("runs/update", {"run_id": place.run, "status": long}, "status"),
        ("runs/delete", {"run_id": long}, "run_id"),
    ):
        # When
        reply = api.post(path, sent)
        # Then
        assert reply.status in (400, 404), (path, reply.status)
        assert reply.field == field, (path, reply)
        check(reply)
    reply = api.request("POST", "runs/set-tag", content=json.dumps({"a": "x" * 40_000_000}).encode())
    assert reply.error == (413, "BAD_REQUEST")


FILTERS = [
    "(" * 5000,
    "params.a = '1' AND " * 3000 + "params.a = '1'",
    "NOT " * 5000 + "params.a = '1'",
    "params.a LIKE '" + "%_" * 2000 + "'",
    "params.a ILIKE '" + "%a" * 2000 + "'",
    "params.a = '",
    'params."a = 1',
    "params.`a` = `b`",
    "params.a = '1'; DROP TABLE run",
    "params.a = '1' -- x",
    "params.a = '\\'",
    "params.a IN (" + ",".join(["'x'"] * 20_000) + ")",
    "metrics.a > 1e400",
    "metrics.a > " + "9" * 5000,
    "metrics.a > 0x10",
    "metrics.a > NaN",
    "start_time > " + "9" * 30,
    "start_time > 1.5",
    "status = 5",
    "run_id IN ()",
    "params.a BETWEEN 1 AND",
    "🦆 = 🦆",
    "\u202e = '1'",
    "a" * 100_000,
    "params." + "a" * 5000 + " = '1'",
    "max(metrics.a",
    "max(max(metrics.a)) > 1",
    "NULL = NULL",
    "name LIKE '%' ESCAPE 'x'",
    "tags.a = '1' UNION SELECT * FROM run",
    "%s %d {} {0} :a ? $1",
    "params.:a = '%(b)s'",
]


def test_hostile_searches_break_nothing(api: Api) -> None:
    # Given
    place = Place(api)
    api.post("runs/log-batch", {"run_id": place.run, "params": [{"key": "a", "value": "a" * 5000}]}).ok()
    only = {"experiment_ids": [place.experiment]}
    for path, base in (("runs/search", only), ("experiments/search", {}), ("logged-models/search", only)):
        for text in FILTERS:
            check(api.post(path, {**base, "filter": text}))
            order: Any = [{"field_name": text}] if path.startswith("logged") else [text]
            check(api.post(path, {**base, "order_by": order}))
    for text in FILTERS[:1] + FILTERS[5:8]:
        check(api.post("runs/search", {**only, "filter": text}), refused=True)


def _with_parameters(path: str, value: str) -> str:
    return "/".join(value if segment.startswith("{") else segment for segment in path.split("/"))
