"""What runs/log-metric, log-batch, log-parameter and set-tag refuse."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api, assert_refused
from tests.api.run_data import batch, data, history, latest, log, params, point, tags

INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


BAD_NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "no value": ({"value": None}, "value"),
    "value as word": ({"value": "abc"}, "value"),
    "empty value": ({"value": ""}, "value"),
    "truth as value": ({"value": True}, "value"),
    "list as value": ({"value": [1]}, "value"),
    "no time": ({"timestamp": None}, "timestamp"),
    "time before the epoch": ({"timestamp": -1}, "timestamp"),
    "half a millisecond": ({"timestamp": 1.5}, "timestamp"),
    "time past int64": ({"timestamp": 2**63}, "timestamp"),
    "time far past int64": ({"timestamp": 10**400}, "timestamp"),
    "time as word": ({"timestamp": "x"}, "timestamp"),
    "half a step": ({"step": 1.5}, "step"),
    "step past int64": ({"step": 2**63}, "step"),
    "step before int64": ({"step": -(2**63) - 1}, "step"),
    "step as word": ({"step": "x"}, "step"),
    "model as number": ({"model_id": 5}, "model_id"),
}
BAD_KEYS = {
    "none": None,
    "empty": "",
    "number": 5,
    "long": "k" * 251,
    "question": "a?",
    "comma": "a,b",
    "newline": "a\n",
    "double slash": "a//b",
    "absolute": "/a",
    "open": "a/",
    "up": "../a",
    "inner up": "a/../b",
    "here": "./a",
    "dot": ".",
    "dots": "..",
    "more dots": "...",
    "emoji": "🦆",
}


def test_what_log_metric_and_log_batch_refuse(api: Api) -> None:
    # Given
    run = api.run()
    # When
    one = {name: log(api, run, **sent) for name, (sent, _) in BAD_NUMBERS.items()}
    many = {
        name: batch(api, run, metrics=[point(key="good"), point(**sent)], tags=[{"key": "good"}])
        for name, (sent, _) in BAD_NUMBERS.items()
    }
    # Then
    assert_refused(one, {name: field for name, (_, field) in BAD_NUMBERS.items()})
    assert_refused(many, {name: f"metrics[1].{field}" for name, (_, field) in BAD_NUMBERS.items()})
    assert (latest(api, run), tags(api, run)) == ({}, {})


def test_rules_of_keys(api: Api) -> None:
    # Given
    run = api.run()
    sent: dict[str, dict[str, Any]] = {
        "log-metric": {"value": 1, "timestamp": 1},
        "log-parameter": {"value": "1"},
        "set-tag": {"value": "1"},
    }
    # When
    for path, fields in sent.items():
        replies = {
            name: api.post(f"runs/{path}", {"run_id": run, "key": key, **fields})
            for name, key in BAD_KEYS.items()
        }
        # Then
        assert_refused(replies, dict.fromkeys(BAD_KEYS, "key"))
    for kind, fields in (("metrics", sent["log-metric"]), ("params", {}), ("tags", {})):
        replies = {
            name: batch(api, run, **{kind: [{"key": "good", **fields}, {"key": key, **fields}]})
            for name, key in BAD_KEYS.items()
        }
        assert_refused(replies, dict.fromkeys(BAD_KEYS, f"{kind}[1].key"))
    assert data(api, run).keys() == {"tags"}
    # Then: these are fine
    good = ["k" * 250, "a/b", ".a", " a ", "日本", "a:b", "_", "-", "a b.c"]
    batch(api, run, metrics=[point(key=k) for k in good], params=[{"key": k} for k in good]).ok()
    assert latest(api, run).keys() == params(api, run).keys() == set(good)


def test_limits_of_a_batch(api: Api) -> None:
    # Given
    run = api.run()

    def pairs(count: int) -> list[dict[str, str]]:
        return [{"key": f"k{i}", "value": "v"} for i in range(count)]

    points = [point(step=i) for i in range(1001)]
    # Then
    for fields, field in (
        ({"metrics": points}, "metrics"),
        ({"params": pairs(101)}, "params"),
        ({"tags": pairs(101)}, "tags"),
        ({"metrics": points[:901], "params": pairs(100)}, None),
        ({"params": [{"key": "p", "value": "v" * 65_536}]}, "params[0].value"),
        ({"tags": [{"key": "t", "value": "v" * 65_536}]}, "tags[0].value"),
        ({"metrics": {"a": 1}}, "metrics"),
        ({"params": "x"}, "params"),
        ({"tags": [5]}, "tags[0]"),
        ({"metrics": [None]}, "metrics[0]"),
    ):
        reply = batch(api, run, **fields)
        assert (reply.error, reply.field) == (INVALID, field)
    assert data(api, run).keys() == {"tags"}
    batch(api, run, metrics=points[:800], params=pairs(100), tags=pairs(100)).ok()
    assert (len(history(api, run, "m")), len(params(api, run)), len(tags(api, run))) == (800, 100, 100)


def test_a_metric_of_a_model_needs_the_model(api: Api) -> None:
    # Given
    run = api.run()
    # Then
    assert log(api, run, model_id="m-nope").error == MISSING
    reply = batch(api, run, metrics=[point(), point(model_id="m-nope")], tags=[{"key": "t"}])
    assert (reply.error, reply.field) == (MISSING, "metrics[1].model_id")
    assert (latest(api, run), tags(api, run)) == ({}, {})
    # Then: an empty one is none, and a dataset alone says nothing
    log(api, run, model_id="", dataset_name="d", dataset_digest="e").ok()
    assert latest(api, run) == {"m": (1.0, 1, 0)}
