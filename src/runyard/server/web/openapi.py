"""The OpenAPI 3.1 document, made of the table of routes alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from runyard.server.web.errors import ErrorAnswer, codes
from runyard.server.web.routes import Route

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{([^}:]+)(:path)?}")
# What every path of one API begins with says nothing in an operation's name, but where two have one noun.
_COMMON = re.compile(
    r"^/api/(\d\.\d/mlflow(?=/(?!workspaces\b))|\d\.\d(?=/)|runyard/\d(?!/runs/(?:delete|restore)\b)|)/?"
)

_DESCRIPTION = (
    "MLflow's tracking API and Runyard's own. Requests are read as leniently as protobuf's JSON: 64-bit "
    'integers and floats may be strings, "NaN", "Infinity" and "-Infinity" are floats, null means absent, '
    "unknown fields are ignored. Every endpoint below /api/ of MLflow also answers below /ajax-api/."
)


def document(routes: Iterable[Route], *, title: str, version: str) -> dict[str, Any]:
    """The document of all routes but the aliases and the pages for people.

    Operation ids depend on nothing but a route's own method and path, so they stay the same when routes
    are added.

    Raises:
        ValueError: two routes get the same operation id.
    """
    told = [route for route in routes if not (route.alias or route.page)]
    schemas = _Schemas(told)
    paths: dict[str, dict[str, Any]] = {}
    seen: dict[str, Route] = {}
    for route in told:
        name = operation_id(route)
        if name in seen:
            raise ValueError(f"{route.method} {route.path} and {seen[name].path} are both {name!r}")
        seen[name] = route
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, name, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": _DESCRIPTION},
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in told if route.tag)],
        "paths": paths,
        "components": {"schemas": schemas.components, "responses": _ERRORS},
    }


def operation_id(route: Route) -> str:
    """`postRunsLogMetric` for POST /api/2.0/mlflow/runs/log-metric."""
    words = re.findall(r"[A-Za-z0-9]+", _COMMON.sub("", _PARAMETER.sub(r"\1", route.path)))
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _operation(route: Route, name: str, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": route.summary}
    if route.tag:
        operation["tags"] = [route.tag]
    parameters = _path_parameters(route.path)
    if route.request is not None and route.source != "body":
        parameters += _query_parameters(schemas.fields_of(route.request))
    if parameters:
        operation["parameters"] = parameters
    if route.source == "body" and route.request is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": schemas.of(route.request)}}}
    elif route.source == "stream":
        operation["requestBody"] = {"content": {"application/octet-stream": {}}}
    operation["responses"] = {
        str(route.status): {"description": "Done.", **_content(route.response, schemas)},
        **(_OF_FILES if route.response is bytes else {}),
        "4XX": {"$ref": "#/components/responses/Refused"},
        "5XX": {"$ref": "#/components/responses/Failed"},
    }
    operation["x-permission"] = route.permission.value
    return operation


def _content(response: Any, schemas: _Schemas) -> dict[str, Any]:
    if response is None:
        return {}
    if response is str:
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    if response is bytes:
        return _FILE
    return {"content": {"application/json": {"schema": schemas.of(response)}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    found = []
    for name, rest in _PARAMETER.findall(path):
        parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        if rest:
            parameter["description"] = "A path; it may hold slashes."
        found.append(parameter)
    return found


def _query_parameters(struct: dict[str, Any]) -> list[dict[str, Any]]:
    required = struct.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _of_query(schema)}
        for name, schema in struct.get("properties", {}).items()
    ]


def _of_query(schema: dict[str, Any]) -> dict[str, Any]:
    """A query can't say null: it leaves the parameter out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if rest.get("default", ...) is None:
        del rest["default"]
    if not kinds:
        return rest
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


class _Schemas:
    """The JSON schemas of every type that a route takes or gives."""

    def __init__(self, routes: Sequence[Route]) -> None:
        types: list[Any] = [ErrorAnswer]
        queries: list[Any] = []
        for route in routes:
            if route.request is not None:
                (types if route.source == "body" else queries).append(route.request)
            if route.response not in (None, str, bytes):
                types.append(route.response)
        # A GET and a POST may share a struct; as a query it is told field by field.
        types, queries = _distinct(types), _distinct(queries)
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_type = dict(zip(map(id, types), schemas, strict=True))
        self._types = types  # holds the ids
        found, inner = msgspec.json.schema_components(queries, ref_template=_REF)
        self._fields = {
            id(query): inner[schema["$ref"].rsplit("/", 1)[1]]
            for query, schema in zip(queries, found, strict=True)
        }

    def of(self, kind: Any) -> dict[str, Any]:
        """A type's schema: as a rule a reference to a component."""
        return self._by_type[id(kind)]

    def fields_of(self, struct: type[msgspec.Struct]) -> dict[str, Any]:
        """The schema of a struct itself, for its fields."""
        found: dict[str, Any] = self._fields[id(struct)]
        return found


def _distinct(types: Iterable[Any]) -> list[Any]:
    return list({id(kind): kind for kind in types}.values())


def _error(description: str, least: int, most: int) -> dict[str, Any]:
    told = ", ".join(f"{code} ({status})" for status, code in codes() if least <= status <= most)
    schema = {"$ref": _REF.format(name="ErrorAnswer")}
    return {
        "description": f"{description}: {told}.",
        "content": {"application/json": {"schema": schema}},
    }


# A file's type is guessed from its name.
_FILE: dict[str, Any] = {"content": {"*/*": {}}}
_OF_FILES = {
    "206": {"description": "The part that the header Range asked for.", **_FILE},
    "304": {"description": "The file is the one that the header If-None-Match names."},
}

_ERRORS = {
    "Refused": _error("The request is refused", 400, 499),
    "Failed": _error("The server can't carry it out", 500, 599),
}
