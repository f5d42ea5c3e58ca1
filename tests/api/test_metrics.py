"""metrics/get-history and get-history-bulk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused
from tests.api.run_data import Point, batch, history, log, point

INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
PIECE = 25_000  # what is put into one piece of an unpaged answer


def fill(api: Api, run: str, count: int, **fields: Any) -> None:
    """Log points 0, 1, 2... of the metric `m`, each with its number as value, time and step."""
    for start in range(0, count, 1000):
        points = [
            point(value=i, timestamp=i, step=i, **fields) for i in range(start, min(start + 1000, count))
        ]
        batch(api, run, metrics=points).ok()


def pages(api: Api, run: str, size: int) -> list[list[Point]]:
    """All pages of the metric `m`."""
    found = []
    query: dict[str, Any] = {"run_id": run, "metric_key": "m", "max_results": size}
    while True:
        body = api.get("metrics/get-history", query).ok()
        found.append([(x["value"], x["timestamp"], x["step"]) for x in body["metrics"]])
        if "next_page_token" not in body:
            return found
        query["page_token"] = body["next_page_token"]


def bulk(api: Api, runs: list[str], key: str = "m", **query: Any) -> list[tuple[str, Any]]:
    """get-history-bulk: run and value of each point."""
    body = api.get("metrics/get-history-bulk", {"run_id": runs, "metric_key": key, **query}).ok()
    assert all(x["key"] == key for x in body["metrics"])
    return [(x["run_id"], x["value"]) for x in body["metrics"]]


def test_a_history_is_ordered_by_time_step_and_value(api: Api) -> None:
    # Given
    run = api.run()
    points = [
        (value, time, step)
        for value in ("Infinity", 2, "NaN", "-Infinity", 1)
        for step in (3, -1)
        for time in (7, 5)
    ]
    # When
    batch(api, run, metrics=[point(value=v, timestamp=t, step=s) for v, t, s in points]).ok()
    log(api, run, key="other").ok()
    # Then: NaN stands where 0 would, as MLflow stores it
    found = history(api, run, "m")
    assert [(t, s) for _, t, s in found] == [(t, s) for t in (5, 7) for s in (-1, 3) for _ in range(5)]
    assert {tuple(v for v, *_ in found[i : i + 5]) for i in range(0, 20, 5)} == {
        ("-Infinity", "NaN", 1.0, 2.0, "Infinity")
    }


def test_a_history_comes_in_pages(api: Api) -> None:
    # Given
    run = api.run()
    fill(api, run, 31)
    for value in ("NaN", "Infinity", "-Infinity"):
        log(api, run, value=value, timestamp=20, step=20).ok()
    whole = history(api, run, "m")
    # Then
    assert len(whole) == 34
    for size in (1, 7, 17, 34, 35, 10**9):
        found = pages(api, run, size)
        assert [x for page in found for x in page] == whole
        assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
        assert len(found[-1]) > 0


def test_points_that_come_between_two_pages_shift_nothing(api: Api) -> None:
    # Given
    run = api.run()
    fill(api, run, 10)
    query = {"run_id": run, "metric_key": "m", "max_results": 5}
    first = api.get("metrics/get-history", query).ok()
    # When
    log(api, run, value=100, timestamp=0, step=0).ok()
    log(api, run, value=200, timestamp=7, step=7).ok()
    # Then
    second = api.get("metrics/get-history", {**query, "page_token": first["next_page_token"]}).ok()
    assert [x["value"] for x in first["metrics"] + second["metrics"]] == [0, 1, 2, 3, 4, 5, 6, 7, 200, 8]


def test_what_has_no_points_is_empty(api: Api) -> None:
    # Given
    run, other = api.run(), api.run()
    log(api, other, key="m").ok()
    # Then
    for query in ({}, {"max_results": 5}, {"page_token": ""}):
        assert api.get("metrics/get-history", {"run_id": run, "metric_key": "m", **query}).ok() == {}
        assert api.get("metrics/get-history", {"run_id": other, "metric_key": "never", **query}).ok() == {}
    reply = api.get("metrics/get-history", {"run_id": "nope", "metric_key": "m"})
    assert (reply.error, reply.field) == (MISSING, "run_id")


@pytest.mark.parametrize("count", [PIECE, PIECE + 1, 60_000])
def test_an_unpaged_history_of_any_length_comes_whole(api: Api, count: int) -> None:
    # Given
    run = api.run()
    fill(api, run, count)
    # When
    reply = api.get("metrics/get-history", {"run_id": run, "metric_key": "m"})
    # Then
    body = json.loads(reply.content)
    assert body.keys() == {"metrics"}
    assert [x["step"] for x in body["metrics"]] == list(range(count))
    assert ("content-length" in reply.headers) == (count <= PIECE)


BAD_QUERIES: dict[str, tuple[dict[str, Any], str]] = {
    "no run": ({"run_id": ""}, "run_id"),
    "no key": ({"metric_key": ""}, "metric_key"),
    "zero": ({"max_results": 0}, "max_results"),
    "negative": ({"max_results": -1}, "max_results"),
    "a word": ({"max_results": "x"}, "max_results"),
    "nothing": ({"max_results": ""}, "max_results"),
    "past int64": ({"max_results": 2**63}, "max_results"),
    "half": ({"max_results": "1.5"}, "max_results"),
    "no token": ({"page_token": "x"}, "page_token"),
    "odd token": ({"page_token": "äö=="}, "page_token"),
    "other token": ({"page_token": "WyJydW5zIiwxXQ"}, "page_token"),  # ["runs",1]
    "short token": ({"page_token": "WyJoaXN0b3J5IiwxXQ"}, "page_token"),  # ["history",1]
    "texts in token": ({"page_token": "WyJoaXN0b3J5IiwiYSIsImIiLCJjIl0"}, "page_token"),
    "past int64 in token": (
        # ["history",99999999999999999999,1,1]
        {"page_token": "WyJoaXN0b3J5Iiw5OTk5OTk5OTk5OTk5OTk5OTk5OSwxLDFd"},
        "page_token",
    ),
}


def test_what_get_history_refuses(api: Api) -> None:
    # Given
    run = api.run()
    log(api, run).ok()
    # When
    replies = {
        name: api.get("metrics/get-history", {"run_id": run, "metric_key": "m", **sent})
        for name, (sent, _) in BAD_QUERIES.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD_QUERIES.items()})


def test_bulk_holds_run_after_run(api: Api) -> None:
    # Given
    a, b = sorted([api.run(), api.run()])
    empty, gone = api.run(), api.run()
    batch(api, a, metrics=[point(value=v, timestamp=5 - v) for v in range(3)]).ok()
    batch(api, b, metrics=[point(value=9, step=1), point(key="other", value=0)]).ok()
    log(api, gone, value="NaN").ok()
    api.post("runs/delete", {"run_id": gone}).ok()
    # Then
    points = [(a, 2.0), (a, 1.0), (a, 0.0), (b, 9.0)]
    assert bulk(api, [b, a]) == bulk(api, [a, "nope", b, a, empty]) == points
    assert bulk(api, [b, a], max_results=2) == points[:2]
    assert bulk(api, [b, a], max_results=10**9) == points
    assert bulk(api, [gone]) == [(gone, "NaN")]
    assert bulk(api, [a], "never") == bulk(api, ["nope"]) == bulk(api, [empty]) == []
    assert len(bulk(api, [a, *(f"nope{i}" for i in range(99))])) == 3


def test_bulk_ends_at_25000_points(api: Api) -> None:
    # Given
    run, other = sorted([api.run(), api.run()])
    fill(api, run, 20_000)
    fill(api, other, 6_000)
    # When
    found = bulk(api, [run, other], max_results=30_000)
    # Then
    assert [sum(name == each for each, _ in found) for name in (run, other)] == [20_000, 5_000]


def test_what_bulk_refuses(api: Api) -> None:
    # Given
    run = api.run()
    bad: dict[str, tuple[dict[str, Any], str]] = {
        "no runs": ({"metric_key": "m"}, "run_id"),
        "no key": ({"run_id": run}, "metric_key"),
        "empty key": ({"run_id": run, "metric_key": ""}, "metric_key"),
        "too many": ({"run_id": ["r"] * 101, "metric_key": "m"}, "run_id"),
        "zero": ({"run_id": run, "metric_key": "m", "max_results": 0}, "max_results"),
        "negative": ({"run_id": run, "metric_key": "m", "max_results": -1}, "max_results"),
        "a word": ({"run_id": run, "metric_key": "m", "max_results": "x"}, "max_results"),
    }
    # When
    replies = {name: api.get("metrics/get-history-bulk", sent) for name, (sent, _) in bad.items()}
    # Then
    assert_refused(replies, {name: field for name, (_, field) in bad.items()})
