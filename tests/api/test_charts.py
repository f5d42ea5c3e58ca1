"""metrics/chart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, Reply, assert_refused
from tests.api.run_data import batch, point

PATH = "/api/runyard/1/metrics/chart"
FIELDS = ["min", "max", "first", "last", "mean", "n", "nan_count", "x_last"]
MANY = 2_000


def chart(api: Api, runs: list[str], keys: list[str], **fields: Any) -> Reply:
    return api.post(PATH, {"run_ids": runs, "keys": keys, **fields})


def lines(api: Api, runs: list[str], keys: list[str], **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart(api, runs, keys, **fields).ok()["lines"]
    return found


def line(api: Api, run: str, **fields: Any) -> dict[str, Any]:
    """The line of the metric `m`."""
    (found,) = lines(api, [run], ["m"], **fields)
    return found


def log(api: Api, run: str, values: list[Any], **fields: Any) -> None:
    """Values of `m` at the steps 0, 1, 2..., 10 ms apart from 1,000 ms on."""
    for start in range(0, len(values), 1000):
        part = values[start : start + 1000]
        points = [
            point(value=value, step=at, timestamp=1_000 + 10 * at, **fields)
            for at, value in enumerate(part, start)
        ]
        batch(api, run, metrics=points).ok()


def wave(count: int = MANY) -> list[float]:
    """Values with one spike."""
    values = [float(at % 7) for at in range(count)]
    values[count // 3] = 1_000.0
    return values


def test_few_points_come_as_they_are(api: Api) -> None:
    run = api.run()
    log(api, run, [3.5, 1, 2])
    assert line(api, run) == {"run_id": run, "key": "m", "exact": True, "x": [0, 1, 2], "value": [3.5, 1, 2]}


def test_as_many_points_as_buckets_are_exact_and_one_more_isnt(api: Api) -> None:
    run = api.run()
    log(api, run, wave(50))
    assert line(api, run, buckets=50)["exact"] is True
    assert line(api, run, buckets=49)["exact"] is False
    assert len(line(api, run, buckets=1, fields=["n"])["x"]) == 1


def test_buckets_tell_of_all_their_points(api: Api) -> None:
    # Given
    run, values = api.run(), wave()
    log(api, run, values)
    # When
    found = line(api, run, buckets=10, fields=FIELDS)
    # Then they divide the steps without a gap
    assert found["exact"] is False
    assert "value" not in found
    assert len(found["x"]) == 10
    assert (found["x"][0], found["x_last"][-1]) == (0, MANY - 1)
    assert [x - last for x, last in zip(found["x"][1:], found["x_last"], strict=False)] == [1] * 9
    for at, (first, last) in enumerate(zip(found["x"], found["x_last"], strict=True)):
        own = values[first : last + 1]
        told = {name: found[name][at] for name in FIELDS if name != "x_last"}
        assert told.pop("mean") == pytest.approx(sum(own) / len(own))
        assert told == {
            "min": min(own),
            "max": max(own),
            "first": own[0],
            "last": own[-1],
            "n": len(own),
            "nan_count": 0,
        }
    assert max(found["max"]) == 1_000


def test_only_the_fields_asked_for_come(api: Api) -> None:
    run = api.run()
    log(api, run, wave())
    default = line(api, run, buckets=10)
    assert default.keys() == {"run_id", "key", "exact", "x", "min", "max", "first", "last", "mean"}
    assert line(api, run, buckets=10, fields=["n"]).keys() == {"run_id", "key", "exact", "x", "n"}
    assert line(api, run, buckets=10, fields=[]).keys() == {"run_id", "key", "exact", "x"}


@pytest.mark.parametrize(
    ("view", "steps"),
    [
        ({"x_min": 100, "x_max": 104}, [100, 101, 102, 103, 104]),
        ({"x_min": 1_997}, [1_997, 1_998, 1_999]),
        ({"x_max": 2}, [0, 1, 2]),
        ({"x_min": 7, "x_max": 7}, [7]),
        ({"x_min": 5_000}, []),
        ({"x_max": -1}, []),
        ({"x_min": 1_998, "x_max": 2**63 - 1}, [1_998, 1_999]),
        ({"x_min": -(2**63), "x_max": 0}, [0]),
        ({"x": "time", "x_min": 1_040, "x_max": 1_059}, [4, 5]),
        ({"x": "relative", "x_min": 40, "x_max": 59}, [4, 5]),
    ],
)
def test_a_zoom_shows_what_lies_between_its_ends(api: Api, view: dict[str, Any], steps: list[int]) -> None:
    run, values = api.run(), wave()
    log(api, run, values)
    found = line(api, run, **view)
    assert found["exact"] is True
    assert found["value"] == [values[step] for step in steps]


def test_a_zoom_into_many_points_is_bucketed(api: Api) -> None:
    run = api.run()
    log(api, run, wave())
    found = line(api, run, x_min=500, x_max=1_499, buckets=20, fields=["n", "x_last"])
    assert (found["x"][0], found["x_last"][-1], sum(found["n"])) == (500, 1_499, 1_000)
    assert len(found["x"]) == 20


@pytest.mark.parametrize(
    ("axis", "x"), [("step", [0, 1, 2]), ("time", [1_000, 1_010, 1_020]), ("relative", [0, 10, 20])]
)
def test_the_axis_is_step_or_time(api: Api, axis: str, x: list[int]) -> None:
    run = api.run()
    log(api, run, [1, 2, 3])
    assert line(api, run, x=axis)["x"] == x


def test_relative_time_begins_at_the_runs_first_point_among_the_metrics(api: Api) -> None:
    # Given two runs, and metrics that began at different times
    early, late = api.run(), api.run()
    for run, start in ((early, 1_000), (late, 50_000)):
        points = [point(key="a", timestamp=start), point(key="b", timestamp=start + 30)]
        batch(api, run, metrics=[*points, point(key="c", timestamp=start - 500)]).ok()
    # When
    found = lines(api, [early, late], ["a", "b"], x="relative")
    # Then each run has its own beginning; `c`, which isn't shown, doesn't count
    told = [(one["run_id"], one["key"], one["x"]) for one in found]
    assert told == [(early, "a", [0]), (early, "b", [30]), (late, "a", [0]), (late, "b", [30])]
    assert [one["x"] for one in lines(api, [early], ["b"], x="relative")] == [[0]]


def test_steps_out_of_order_are_put_in_order(api: Api) -> None:
    run = api.run()
    points = [point(value=step, step=step, timestamp=100 - step) for step in (3, 1, 2, 0, -5)]
    batch(api, run, metrics=points).ok()
    assert line(api, run)["x"] == [-5, 0, 1, 2, 3]
    assert line(api, run, x="time")["value"] == [3, 2, 1, 0, -5]


def test_nan_is_null_and_infinities_are_texts(api: Api) -> None:
    run = api.run()
    log(api, run, [1, "NaN", "Infinity", "-Infinity"])
    assert line(api, run)["value"] == [1, None, "Infinity", "-Infinity"]


def test_nan_counts_apart_in_buckets(api: Api) -> None:
    # Given a first half that is all NaN, then infinities among numbers
    run = api.run()
    log(api, run, ["NaN"] * 100 + ["NaN", 1, 2, "Infinity", "-Infinity"] * 20)
    # When
    found = line(api, run, buckets=2, fields=FIELDS)
    # Then
    assert (found["n"], found["nan_count"]) == ([100, 100], [100, 20])
    assert found["min"] == [None, "-Infinity"]
    assert found["max"] == [None, "Infinity"]
    assert found["mean"] == [None, None]
    assert (found["first"], found["last"]) == ([None, None], [None, "-Infinity"])


def test_lines_come_run_by_run_in_the_order_asked_for(api: Api) -> None:
    one, other = api.run(), api.run()
    for run in (one, other):
        batch(api, run, metrics=[point(key="a"), point(key="b"), point(key="c")]).ok()
    found = lines(api, [other, one], ["c", "a"])
    assert [(x["run_id"], x["key"]) for x in found] == [(other, "c"), (other, "a"), (one, "c"), (one, "a")]


def test_a_run_without_the_metric_has_no_line(api: Api) -> None:
    one, other = api.run(), api.run()
    batch(api, one, metrics=[point(key="a")]).ok()
    batch(api, other, metrics=[point(key="b")]).ok()
    assert [(x["run_id"], x["key"]) for x in lines(api, [one, other], ["a", "never"])] == [(one, "a")]
    assert lines(api, [one], ["never"]) == []


def test_what_is_repeated_is_told_once(api: Api) -> None:
    run = api.run()
    log(api, run, [1, 2, 3])
    log(api, run, [1, 2, 3])
    assert [x["value"] for x in lines(api, [run, run], ["m", "m"])] == [[1, 2, 3]]


def test_a_deleted_run_still_has_its_lines(api: Api) -> None:
    run = api.run()
    log(api, run, [1])
    api.post("runs/delete", {"run_id": run}).ok()
    assert line(api, run)["value"] == [1]


def test_an_unknown_run_is_not_found(api: Api) -> None:
    run = api.run()
    reply = chart(api, [run, "f" * 32], ["m"])
    assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "f" * 32 in reply.message


def test_too_much_or_too_little_is_refused(api: Api) -> None:
    run = api.run()
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "no run": ({"run_ids": []}, "run_ids"),
        "too many runs": ({"run_ids": [run] * 1_001}, "run_ids"),
        "no key": ({"keys": []}, "keys"),
        "too many keys": ({"keys": ["m"] * 201}, "keys"),
        "too many lines": ({"run_ids": [run] * 101, "keys": ["m"] * 100}, "keys"),
        "no bucket": ({"buckets": 0}, "buckets"),
        "too many buckets": ({"buckets": 5_001}, "buckets"),
        "an empty view": ({"x_min": 2, "x_max": 1}, "x_min"),
    }
    replies = {name: _asked(api, run, sent) for name, (sent, _) in cases.items()}
    assert_refused(replies, {name: field for name, (_, field) in cases.items()})


def test_wrong_types_are_refused_by_their_field(api: Api) -> None:
    run = api.run()
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "runs as a text": ({"run_ids": run}, "run_ids"),
        "a run as a number": ({"run_ids": [5]}, "run_ids[0]"),
        "keys as null": ({"keys": None}, "keys"),
        "an unknown axis": ({"x": "epoch"}, "x"),
        "a fraction of a step": ({"x_min": 0.5}, "x_min"),
        "an integer past int64": ({"x_max": 2**63}, "x_max"),
        "buckets as a text": ({"buckets": "many"}, "buckets"),
        "an unknown field": ({"fields": ["median"]}, "fields[0]"),
    }
    replies = {name: _asked(api, run, sent) for name, (sent, _) in cases.items()}
    assert_refused(replies, {name: field for name, (_, field) in cases.items()})


def _asked(api: Api, run: str, sent: dict[str, Any]) -> Reply:
    return api.post(PATH, {"run_ids": [run], "keys": ["m"], **sent})
