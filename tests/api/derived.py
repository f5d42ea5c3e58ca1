"""Requests made of the table of routes: valid ones, and wrong ones derived from their structs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from runyard.server.web import Route
from tests.api.conftest import Api, Reply

MLFLOW = "/api/2.0/mlflow"
Path = tuple[str | int, ...]


class Place:
    """What valid requests speak of: an experiment with a run and a logged model."""

    def __init__(self, api: Api) -> None:
        self.experiment = api.experiment()
        self.run = api.run(self.experiment)
        info = api.post("logged-models", {"experiment_id": self.experiment}).ok()["model"]["info"]
        self.model = info["model_id"]
        self.root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")

    def path(self, route: Route) -> str:
        """The route's path with its parameters filled in."""
        path = route.path.replace("{model_id}", self.model).replace("{tag_key:path}", "t")
        path = path.replace("{upload_id}", "0" * 32).replace("{number}", "1").replace("{id}", "1")
        path = path.replace("{workspace}", "default").replace("{role}", "Reader")
        path = path.replace("{name}", "nobody").replace("{member}", "nobody")
        return path.replace("{experiment_id}", self.experiment).replace("{path:path}", self.root)

    def valid(self, route: Route) -> dict[str, Any]:
        """A request that the route takes, with every field that it knows."""
        tags = [{"key": "t", "value": "1"}]
        point = {"key": "m", "value": 1, "timestamp": 1, "step": 1, "model_id": self.model}
        whole = {
            "experiment_id": self.experiment,
            "experiment_ids": [self.experiment],
            "experiment_name": "Default",
            "run_id": self.run,
            "run_ids": [self.run],
            "run_uuid": self.run,
            "model_id": self.model,
            "name": "n",
            "tags": tags,
            "params": [{"key": "p", "value": "1"}],
            "metrics": [{**point, "dataset_name": "d", "dataset_digest": "e"}],
            **point,
            "key": "k",
            "metric_key": "m",
            "max_results": 5,
            "start_step": 0,
            "end_step": 9,
            "page_token": "",
            "status": "2",
            "view_type": "ALL",
            "run_view_type": "ALL",
            "models": [{"model_id": self.model, "step": 1}],
            "datasets": [{"dataset_name": "d", "dataset_digest": "e"}],
            "path": "a",
            "upload_id": "0" * 32,
            "num_parts": 1,
            "parts": [{"part_number": 1, "etag": "e"}],
        }
        if route.path.endswith("/log-inputs"):
            dataset = dict.fromkeys(("name", "digest", "source_type", "source", "schema", "profile"), "d")
            whole["datasets"] = [{"dataset": dataset, "tags": tags}]
        if route.path.endswith("logged-models/search"):
            whole["order_by"] = [{"field_name": "name", "ascending": True, "dataset_name": "d"}]
        elif route.path.startswith(MLFLOW):
            whole["order_by"] = ["name" if "experiments" in route.path else "run_name"]
        if "/workspaces" in route.path:
            whole |= {"tags": {"t": "1"}, "description": "d", "state": "active", "limit": 5}
            whole |= {"limits": {"tags_per_run": 5000}}
        known = fields_of(route)
        return {name: value for name, value in whole.items() if name in known}


def fields_of(route: Route) -> set[str]:
    """The names of the fields of the route's request."""
    return {field.encode_name for field in _fields(route)}


def _fields(route: Route) -> tuple[msgspec.inspect.Field, ...]:
    assert route.request is not None
    info = msgspec.inspect.type_info(route.request)
    assert isinstance(info, msgspec.inspect.StructType)
    return info.fields


def places(kind: msgspec.inspect.Type, path: Path = ()) -> Iterator[tuple[Path, msgspec.inspect.Type]]:
    """Every place in a request where a value of some type stands."""
    if path:
        yield path, kind
    for option in kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,):
        if isinstance(option, msgspec.inspect.StructType):
            for field in option.fields:
                yield from places(field.type, (*path, field.encode_name))
        elif isinstance(option, msgspec.inspect.ListType):
            yield from places(option.item_type, (*path, 0))


def takes(kind: msgspec.inspect.Type, value: Any) -> bool:
    """Whether a value is of a type, as leniently as requests are read; deeper values are not looked at."""
    i = msgspec.inspect
    if isinstance(kind, i.UnionType):
        return any(takes(option, value) for option in kind.types)
    if isinstance(kind, i.IntType):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return bool(whole and (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le))
    if isinstance(kind, i.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308
    if isinstance(kind, i.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, i.StrType):
        return isinstance(value, str)
    if isinstance(kind, i.LiteralType):
        return value in kind.values
    if isinstance(kind, i.ListType):
        return isinstance(value, list) and all(takes(kind.item_type, item) for item in value)
    if isinstance(kind, i.DictType):
        return isinstance(value, dict) and all(takes(kind.value_type, item) for item in value.values())
    if isinstance(kind, i.StructType):
        return isinstance(value, dict)
    return kind == i.AnyType() or (isinstance(kind, i.NoneType) and value is None)


def with_value(request: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of a request with another value at a place; what leads there is made where it is missing."""
    changed = copy.deepcopy(request)
    at: Any = changed
    for step, following in pairwise(path):
        empty: Any = [None] if following == 0 else {}
        if isinstance(step, int):
            at[step] = at[step] if isinstance(at[step], type(empty)) else empty
        elif not isinstance(at.get(step), type(empty)) or not at[step]:
            at[step] = empty
        at = at[step]
    at[path[-1]] = value
    return changed


def name_of(path: Path) -> str:
    """A place as errors name it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def check(reply: Reply, *, refused: bool = False) -> None:
    """An answer is a success or a refusal that says what is wrong; never a fault, never an inside view."""
    assert reply.status < 500 or reply.status == 501, reply
    assert not refused or reply.status >= 400, reply
    if reply.status >= 400:
        assert isinstance(reply.body, dict), reply
        assert reply.body["error_code"] == reply.body["error_code"].upper()
        assert len(reply.body["message"]) > 10
        assert len(reply.content) < 2000
        for inside in ("Traceback", 'File "', "sqlite", "psycopg", "msgspec", "/src/", "Struct"):
            assert inside not in reply.body["message"]
