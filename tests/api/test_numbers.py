"""Numbers come back exactly as they were logged, whatever they are."""

from __future__ import annotations

import struct
from math import inf, isnan, nan
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import Api
from tests.api.run_data import batch, history, latest, point

EDGES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    0.1,
    2.0**53,
    inf,
    -inf,
    nan,
]
INT64 = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**53 + 1, 2**63 - 1]
values = st.sampled_from(EDGES) | st.floats()
times = st.sampled_from([t for t in INT64 if t >= 0]) | st.integers(0, 2**63 - 1)
steps = st.sampled_from(INT64) | st.integers(-(2**63), 2**63 - 1)
points = st.lists(st.tuples(values, times, steps), min_size=1, max_size=60)


def bits(value: Any) -> bytes:
    """A number's exact representation; every NaN is the same."""
    number = float(value)
    return b"NaN" if isnan(number) else struct.pack(">d", number)


def exact(found: list[tuple[Any, int, int]]) -> set[tuple[bytes, int, int]]:
    """Points without their order, each once, as histories keep them."""
    return {(bits(v), t, s) for v, t, s in found}


def place(one: tuple[float, int, int]) -> tuple[int, int, float, bool]:
    """What makes a point the latest: its step, time and value, where NaN counts as 0 and wins over it."""
    value, time, step = one
    return step, time, 0.0 if isnan(value) else value, isnan(value)


def test_points_come_back_exactly(api: Api) -> None:
    experiment = api.experiment()

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(points)
    def check(sent: list[tuple[float, int, int]]) -> None:
        # Given
        run = api.run(experiment)
        # When
        batch(api, run, metrics=[point(value=v, timestamp=t, step=s) for v, t, s in sent]).ok()
        # Then
        found = history(api, run, "m")
        assert exact(found) == exact(sent)
        assert len(found) == len(exact(sent))
        assert [(t, s) for _, t, s in found] == sorted((t, s) for _, t, s in found)
        (value, time, step) = latest(api, run)["m"]
        expected = max(sent, key=place)
        # SQLite has no minus zero in a column of numbers.
        assert bits(float(value) + 0.0) == bits(expected[0] + 0.0)
        assert (time, step) == expected[1:]

    check()


def test_paged_points_are_the_same(api: Api) -> None:
    experiment = api.experiment()

    @settings(max_examples=10, deadline=None, derandomize=True, database=None)
    @given(points, st.integers(1, 20))
    def check(sent: list[tuple[float, int, int]], size: int) -> None:
        # Given
        run = api.run(experiment)
        batch(api, run, metrics=[point(value=v, timestamp=t, step=s) for v, t, s in sent]).ok()
        # When
        found, token = [], ""
        while True:
            query = {"run_id": run, "metric_key": "m", "max_results": size, "page_token": token}
            body = api.get("metrics/get-history", query).ok()
            found += [(bits(x["value"]), x["timestamp"], x["step"]) for x in body["metrics"]]
            token = body.get("next_page_token", "")
            if not token:
                break
        # Then
        assert found == [(bits(v), t, s) for v, t, s in history(api, run, "m")]

    check()
