"""runs/search: what is refused, and the limits of what is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.farm import RUNS, START, Farm, names

INVALID = (400, "INVALID_PARAMETER_VALUE")


@pytest.fixture
def farm(api: Api) -> Farm:
    """The runs above in one experiment, and a deleted one."""
    return Farm(api)


def test_what_is_refused(farm: Farm) -> None:
    api, experiment = farm.api, farm.experiment

    def refused(field: str, **sent: Any) -> None:
        reply = api.post("runs/search", {"experiment_ids": [experiment], **sent})
        assert (reply.error, reply.field) == (INVALID, field), (sent, reply.body)

    for size in (0, -1, 50_001, 2**63 - 1):
        refused("max_results", max_results=size)
    for ids in (["abc"], ["1", ""], ["-1"], ["1.5"], ["9" * 30]):
        refused(f"experiment_ids[{len(ids) - 1}]", experiment_ids=ids)
    refused("experiment_ids", experiment_ids=[experiment] * 10_001)
    refused("run_view_type", run_view_type="SOME")
    for text in (
        "metrics.acc",
        "metrics.acc >",
        "metrics.acc > 'x'",
        "metrics.acc LIKE 'x'",
        "params.model > 'a'",
        "params.model = 3",
        "foo = 'x'",
        "attributes.foo = 'x'",
        "datasets.foo = 'x'",
        "start_time = '1'",
        "max(params.model) = '1'",
        "median(metrics.acc) > 1",
        "(metrics.acc > 1",
        "metrics.acc > 1 metrics",
        "metrics.acc IN ()",
        f"params.model LIKE '{'x' * 10_001}'",
        "x" * 100_001,
    ):
        refused("filter", filter=text)
    for order in ("foo", "metrics.acc UP", "datasets.name", "", "metrics.acc, metrics.loss"):
        refused("order_by[1]", order_by=["run_name", order])
    refused("order_by", order_by=["metrics.acc"] * 33)


def test_a_message_points_at_the_place(farm: Farm) -> None:
    reply = farm.api.post(
        "runs/search", {"experiment_ids": [farm.experiment], "filter": "metrics.acc > 1 AND statu = 'x'"}
    )
    assert "column 21" in reply.message
    assert "Did you mean `status`?" in reply.message


def tampered(token: str, change: Any) -> str:
    """A token with another content."""
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return base64.urlsafe_b64encode(json.dumps(change(content)).encode()).decode().rstrip("=")


def test_tokens_of_other_searches_are_refused(farm: Farm) -> None:
    # Given
    api, order = farm.api, ["metrics.acc DESC"]
    token = farm.search(max_results=1, order_by=order)["next_page_token"]
    experiments = [api.experiment() for _ in range(2)]
    other = api.post("experiments/search", {"max_results": 1}).ok()["next_page_token"]
    sent = {"experiment_ids": [farm.experiment, *experiments], "order_by": order}
    wrong = {
        "no base64": "~~~",
        "no JSON": "AAAA",
        "nothing": "",
        "of experiments": other,
        "too short": tampered(token, lambda c: c[:-1]),
        "too long": tampered(token, lambda c: [*c, 1]),
        "no position": tampered(token, lambda c: c[:1]),
        "a text for a number": tampered(token, lambda c: [*c[:-1], "x"]),
        "beyond 64 bits": tampered(token, lambda c: [*c[:-1], 2**63]),
        "a number for none": tampered(token, lambda c: [*c[:2], 1, *c[3:]]),
        "no such rank": tampered(token, lambda c: [*c[:2], 7, *c[3:]]),
        "NaN": tampered(token, lambda c: [*c[:3], {"f": "nan"}, *c[4:]]),
        "no number": tampered(token, lambda c: [*c[:3], {"f": "x"}, *c[4:]]),
        "a list": tampered(token, lambda c: [*c[:3], [1], *c[4:]]),
    }
    # Then
    refused = {
        what: api.post("runs/search", {**sent, "page_token": bad}) for what, bad in wrong.items() if bad
    }
    assert {what: (r.error, r.field) for what, r in refused.items()} == dict.fromkeys(
        refused, (INVALID, "page_token")
    )
    others: list[dict[str, list[str]]] = [
        {"order_by": ["metrics.acc"]},
        {"order_by": ["metrics.loss DESC"]},
        {"order_by": []},
    ]
    for search in others:
        reply = api.post("runs/search", {**sent, **search, "page_token": token})
        assert (reply.error, reply.field) == (INVALID, "page_token")
    # An empty token is none, and the filter may change.
    assert len(api.post("runs/search", {**sent, "page_token": ""}).ok()["runs"]) == len(RUNS)
    changed = api.post("runs/search", {**sent, "page_token": token, "filter": "params.lr IS NOT NULL"})
    assert names(changed.ok()) == ["ant"]


def test_hostile_filters_are_answered(farm: Farm) -> None:
    order = [f"metrics.m{i}" for i in range(16)] + [f"params.p{i}" for i in range(15)] + ["metrics.acc"]
    deep = "params.model = 'a'"
    for level in range(10):
        deep = f"NOT ({deep} {'OR' if level % 2 else 'AND'} metrics.acc > {level})"
    for text in (
        deep,
        " OR ".join(f"params.model = '{i}'" for i in range(499)) + " OR params.model = 'CNN'",
        " AND ".join(f"start_time BETWEEN 1 AND {START + i + 9}" for i in range(500)),
        " AND ".join(f"NOT run_name LIKE 'x{i}%'" for i in range(500)),
        f"params.model IN ({', '.join(map(repr, map(str, range(9_999))))}, 'CNN')",
        f"metrics.acc IN ({', '.join(map(str, range(9_999)))}, 0.7)",
        "params.model LIKE '" + "%a" * 4_000 + "'",
        "params.note LIKE '" + "_%" * 4_000 + "'",
        "run_name ILIKE '" + "%" * 9_999 + "'",
    ):
        reply = farm.api.post(
            "runs/search",
            {"experiment_ids": [farm.experiment], "filter": text, "order_by": order, "max_results": 1},
        )
        assert reply.status == 200, (text[:80], reply.body)
