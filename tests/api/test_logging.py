"""runs/log-metric, log-batch, log-parameter, set-tag, log-model."""

from __future__ import annotations

import json
from math import copysign, inf
from typing import Any

from tests.api.conftest import Api, assert_refused
from tests.api.run_data import Point, batch, history, latest, log, params, point, tags

INVALID = (400, "INVALID_PARAMETER_VALUE")
INT64 = 2**63 - 1

# As it is sent (value, timestamp, step) -> as it comes back.
NUMBERS: dict[str, tuple[tuple[Any, Any, Any], Point]] = {
    "plain": ((0.1, 1, 2), (0.1, 1, 2)),
    "texts": (("0.5", "7", "-8"), (0.5, 7, -8)),
    "whole floats": ((3, 5.0, 6.0), (3.0, 5, 6)),
    "no step": ((1, 1, None), (1.0, 1, 0)),
    "NaN": (("NaN", 1, 0), ("NaN", 1, 0)),
    "infinity": (("Infinity", 1, 0), ("Infinity", 1, 0)),
    "minus infinity": (("-Infinity", 1, 0), ("-Infinity", 1, 0)),
    "other spellings": (("nan", 1, 0), ("NaN", 1, 0)),
    "short spelling": (("-inf", 1, 0), ("-Infinity", 1, 0)),
    "bare NaN": ((float("nan"), 1, 0), ("NaN", 1, 0)),
    "bare infinity": ((-inf, 1, 0), ("-Infinity", 1, 0)),
    "exponent": (("1e3", 1, 0), (1000.0, 1, 0)),
    "greatest": ((1.7976931348623157e308, INT64, INT64), (1.7976931348623157e308, INT64, INT64)),
    "least": ((5e-324, 0, -INT64 - 1), (5e-324, 0, -INT64 - 1)),
    "integers as texts": (("9007199254740993", str(INT64), str(-INT64 - 1)), (2.0**53, INT64, -INT64 - 1)),
}


def test_numbers_come_back_as_they_were_sent(api: Api) -> None:
    # Given
    one, many = api.run(), api.run()
    points = [
        point(key=name, value=value, timestamp=timestamp, step=step)
        for name, ((value, timestamp, step), _) in NUMBERS.items()
    ]
    # When
    for sent in points:
        assert log(api, one, **sent).ok() == {}
    assert batch(api, many, metrics=points).ok() == {}
    # Then
    expected = {name: shown for name, (_, shown) in NUMBERS.items()}
    assert latest(api, one) == latest(api, many) == expected
    for name, shown in expected.items():
        assert history(api, one, name) == history(api, many, name) == [shown]


def test_minus_zero_keeps_its_sign(api: Api) -> None:
    # Given
    run = api.run()
    # When
    log(api, run, value=-0.0).ok()
    # Then: in the history; SQLite has no minus zero in a column of numbers
    assert copysign(1, history(api, run, "m")[0][0]) == -1
    assert latest(api, run)["m"][0] == 0


# Points in the order they are sent -> which of them is the latest.
LATEST: dict[str, tuple[list[Point], int]] = {
    "greatest step": ([(1, 9, 5), (2, 1, 7), (3, 10, 6)], 1),
    "then greatest time": ([(3, 1, 0), (2, 3, 0), (1, 2, 0)], 1),
    "then greatest value": ([(1, 1, 0), (5, 1, 0), (3, 1, 0)], 1),
    "negative steps": ([(1, 1, -2), (2, 1, -1), (3, 1, -3)], 1),
    "infinity is a value": ([(1, 1, 0), ("Infinity", 1, 0), (2, 1, 0)], 1),
    "minus infinity as well": ([(1, 1, 0), ("-Infinity", 1, 0)], 0),
    "NaN by its step": ([(1, 1, 0), ("NaN", 1, 1), (2, 9, 0)], 1),
    "a number by its step": ([("NaN", 1, 0), (1, 1, 1)], 1),
}


def test_the_latest_value_is_that_of_the_greatest_step_time_and_value(api: Api) -> None:
    # Given
    one, many = api.run(), api.run()
    for name, (points, _) in LATEST.items():
        sent = [point(key=name, value=v, timestamp=t, step=s) for v, t, s in points]
        # When
        for each in sent:
            log(api, one, **each).ok()
        batch(api, many, metrics=sent).ok()
        # Then
        assert sorted(map(str, history(api, many, name))) == sorted(
            str((v if isinstance(v, str) else float(v), t, s)) for v, t, s in points
        )
    expected = {
        name: (v if isinstance(v, str) else float(v), t, s)
        for name, (points, i) in LATEST.items()
        for v, t, s in [points[i]]
    }
    assert latest(api, one) == latest(api, many) == expected


def test_the_latest_value_is_the_same_in_any_order(api: Api) -> None:
    # Given
    points = [(value, time, step) for step in (0, 1) for time in (1, 2) for value in ("NaN", -1, "Infinity")]
    forth, back = api.run(), api.run()
    # When
    for value, time, step in points:
        log(api, forth, value=value, timestamp=time, step=step).ok()
    for value, time, step in reversed(points):
        log(api, back, value=value, timestamp=time, step=step).ok()
    # Then
    assert latest(api, forth) == latest(api, back)
    assert history(api, forth, "m") == history(api, back, "m")


def test_exact_duplicates_collapse(api: Api) -> None:
    # Given
    run = api.run()
    # When
    for _ in range(3):
        log(api, run, value=0.5, step=3).ok()
        log(api, run, value="NaN").ok()
    batch(api, run, metrics=[point(value=0.5, step=3)] * 3 + [point(value=-0.5, step=3)]).ok()
    # Then
    assert history(api, run, "m") == [("NaN", 1, 0), (-0.5, 1, 3), (0.5, 1, 3)]


def test_a_batch_holds_all_three_kinds(api: Api) -> None:
    # Given
    run = api.run()
    # When
    reply = batch(
        api,
        run,
        metrics=[point(key="a b/c:d.e-f_ü", value=i, step=i) for i in range(3)],
        params=[{"key": "p", "value": "ü\n\t"}, {"key": "q"}, {"key": "r", "value": None}],
        tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}, {"key": "u"}],
        unknown={"ignored": True},
    )
    # Then
    assert reply.ok() == {}
    assert latest(api, run) == {"a b/c:d.e-f_ü": (2.0, 1, 2)}
    assert params(api, run) == {"p": "ü\n\t", "q": "", "r": ""}
    assert tags(api, run) == {"t": "2", "u": ""}
    # Then: nothing is also a batch
    assert batch(api, run).ok() == {}
    assert batch(api, run, metrics=None, params=None, tags=None).ok() == {}
    assert batch(api, run, metrics=[], params=[], tags=[]).ok() == {}


def test_a_param_is_written_once(api: Api) -> None:
    # Given
    run = api.run()
    api.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"}).ok()
    # Then: the same again is fine
    api.post("runs/log-parameter", {"run_uuid": run, "key": "p", "value": "1"}).ok()
    batch(api, run, params=[{"key": "p", "value": "1"}, {"key": "q", "value": "2"}]).ok()
    # Then: anything else is refused, with all that comes with it
    for reply in (
        api.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "2"}),
        api.post("runs/log-parameter", {"run_id": run, "key": "p"}),
        batch(
            api,
            run,
            metrics=[point(key="new")],
            params=[{"key": "new", "value": "1"}, {"key": "p", "value": "2"}],
            tags=[{"key": "new", "value": "1"}],
        ),
        batch(api, run, params=[{"key": "twice", "value": "1"}, {"key": "twice", "value": "2"}]),
        batch(api, run, params=[{"key": "twice", "value": "1"}, {"key": "twice", "value": "1"}]),
    ):
        assert reply.error == INVALID
        assert reply.field in ("params", "params[1]")
    assert params(api, run) == {"p": "1", "q": "2"}
    assert (latest(api, run), tags(api, run)) == ({}, {})


def test_one_of_two_clients_that_log_the_same_param_wins(api: Api) -> None:
    # Given
    run = api.run()
    # When
    replies = api.together(
        ("POST", "runs/log-parameter", {"run_id": run, "key": f"p{i % 3}", "value": str(i)})
        for i in range(24)
    )
    # Then
    won = [i for i, reply in enumerate(replies) if reply.status == 200]
    assert {reply.error for reply in replies if reply.status != 200} == {INVALID}
    assert params(api, run) == {f"p{i % 3}": str(i) for i in won}
    assert len(won) == 3


def test_clients_that_log_at_once_lose_nothing(api: Api) -> None:
    # Given
    run = api.run()
    # When
    replies = api.together(
        ("POST", f"runs/{path}", {"run_id": run, **sent})
        for i in range(30)
        for path, sent in (
            ("log-metric", point(key=f"m{i % 4}", value=i, step=i)),
            ("set-tag", {"key": f"t{i % 4}", "value": str(i)}),
            ("log-batch", {"metrics": [point(key="m0", value=-i, step=i)], "tags": [{"key": f"u{i}"}]}),
        )
    )
    # Then
    assert {reply.status for reply in replies} == {200}
    assert [len(history(api, run, f"m{k}")) for k in range(4)] == [8 + 29, 8, 7, 7]
    assert latest(api, run)["m1"] == (29.0, 1, 29)
    assert sorted(tags(api, run)) == sorted([f"t{i}" for i in range(4)] + [f"u{i}" for i in range(30)])


def test_tags_may_change_and_be_long(api: Api) -> None:
    # Given
    run = api.run()
    # When
    for value in ("1", "", None, "ü" * 65_535):
        assert api.post("runs/set-tag", {"run_id": run, "key": "a", "value": value}).ok() == {}
        # Then
        assert tags(api, run) == {"a": value or ""}
    api.post("runs/set-tag", {"run_uuid": run, "key": "a", "value": "2"}).ok()
    assert tags(api, run) == {"a": "2"}


def test_log_model_notes_models_in_a_tag(api: Api) -> None:
    # Given
    run = api.run()
    model = {
        "artifact_path": "m",
        "flavors": {"python_function": {"env": "conda.yaml", "config": {"much": "more"}}},
        "utc_time_created": "2024-05-06 07:08:09",
        "run_id": run,
        "model_uuid": "u",
        "signature": {"inputs": "long"},
    }
    kept = {
        **{key: model[key] for key in model if key != "signature"},
        "flavors": {"python_function": {"env": "conda.yaml"}},
    }
    # When
    for path in ("a", "b"):
        sent = json.dumps({**model, "artifact_path": path})
        assert api.post("runs/log-model", {"run_id": run, "model_json": sent}).ok() == {}
    # Then
    listed = json.loads(tags(api, run)["mlflow.log-model.history"])
    assert listed == [{**kept, "artifact_path": "a"}, {**kept, "artifact_path": "b"}]
    # Then
    bad = {
        "none": None,
        "empty": "",
        "no JSON": "{bad",
        "a list": "[]",
        "a number": "5",
        "null": "null",
        "deep": "[" * 100_000,
        "incomplete": '{"artifact_path": "m", "run_id": "r"}',
        "long": json.dumps({**model, "signature": "x" * 1_048_576}),
    }
    replies = {name: api.post("runs/log-model", {"run_id": run, "model_json": x}) for name, x in bad.items()}
    assert_refused(replies, dict.fromkeys(bad, "model_json"))
    assert "flavors, utc_time_created" in replies["incomplete"].message
    assert json.loads(tags(api, run)["mlflow.log-model.history"]) == listed
    # Then: what isn't a list of models can't take one more
    for value in ("no list", '{"a": 1}', "[" * 5000):
        api.post("runs/set-tag", {"run_id": run, "key": "mlflow.log-model.history", "value": value}).ok()
        reply = api.post("runs/log-model", {"run_id": run, "model_json": json.dumps(model)})
        assert reply.error == INVALID
        assert "delete it first" in reply.message
