"""Charts against brute force: every bucket exact, no spike lost, at every zoom."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.server.db import Database
from runyard.server.metrics import chart as charts
from runyard.server.metrics import engine
from runyard.server.metrics.columns import rank_of, sort_unique, take
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.types import Axis, Buckets, Points, SeriesChart, series_id
from tests.contract.metrics.conftest import Store, batch

# Four sketched units per chunk.
LIMITS = Limits(chunk=1_024, pack=600)
AXES: tuple[Axis, ...] = ("step", "time", "relative")
SERIES = series_id(1, 5)


def training(n: int, seed: int = 0, *, spikes: bool = True) -> Points:
    """A noisy loss: a step and a jittered timestamp per point, with some NaN and infinities."""
    random = np.random.default_rng(seed)
    values = 1 / (1 + 0.01 * np.arange(n)) + random.normal(0, 0.01, n)
    if spikes and n > 10:
        values[random.integers(0, n, n // 50 + 1)] = np.nan
        values[random.integers(0, n, 2)] = np.inf
        values[random.integers(0, n, 2)] = 1e9
    return Points(1_000_000 + np.arange(n) * 100 + random.integers(0, 90, n), np.arange(n) * 3, values)


def restarted(points: Points) -> Points:
    """The same with the steps of the middle third going back, as after a restart from a checkpoint."""
    n, steps = len(points), points.steps.copy()
    steps[n // 3 :] -= steps[n // 3] // 2
    return Points(points.timestamps, steps, points.values)


def along(points: Points, axis: Axis) -> Points:
    """All points in the order of an axis."""
    keys = (rank_of(points.values), points.timestamps, points.steps)
    return take(points, np.lexsort(keys if axis == "step" else (keys[0], keys[2], keys[1])))


def x_of(points: Points, axis: Axis, origin: int) -> np.ndarray:
    return points.steps if axis == "step" else points.timestamps - (origin if axis == "relative" else 0)


def draw_chart(
    store: Store, axis: Axis, buckets: int, x_min: int | None = None, x_max: int | None = None
) -> SeriesChart:
    [found] = store.database.read_here(
        lambda connection: engine.chart(
            connection, [SERIES], axis=axis, buckets=buckets, x_min=x_min, x_max=x_max
        )
    )
    return found


def check(found: SeriesChart, points: Points, axis: Axis, buckets: int, view: tuple[int, int]) -> None:
    """A chart of some points, which are all of the series."""
    ordered = along(points, axis)
    x = x_of(ordered, axis, int(points.timestamps.min()))
    ordered, x = take(ordered, (x >= view[0]) & (x <= view[1])), x[(x >= view[0]) & (x <= view[1])]
    rows = found.buckets
    assert int(rows.n.sum()) == len(ordered)
    assert found.exact == (len(ordered) <= buckets)
    assert len(rows.n) <= max(buckets, 1)
    if not len(ordered):
        return
    # Nothing that stands out is lost, wherever it was counted.
    assert same(np.fmin.reduce(rows.min), np.fmin.reduce(ordered.values))
    assert same(np.fmax.reduce(rows.max), np.fmax.reduce(ordered.values))
    assert int(rows.nan_count.sum()) == int(np.isnan(ordered.values).sum())
    assert (np.diff(rows.x) >= 0).all()
    width = (x[-1] - x[0]) / buckets if view == (x[0], x[-1]) else (view[1] - view[0]) / buckets
    assert found.exact or ((rows.x_last - rows.x) <= 2 * width + 1).all()
    if bool((np.diff(ordered.steps) >= 0).all() and (np.diff(ordered.timestamps) >= 0).all()):
        check_runs(rows, ordered, x)


def check_runs(rows: Buckets, ordered: Points, x: np.ndarray) -> None:
    """Where steps and times ascend alike, each bucket is a run of points, and all of it is exact."""
    ends = np.cumsum(rows.n)
    checked = np.unique(np.linspace(0, len(ends) - 1, 60).astype(int)).tolist()
    for at in checked:
        start, end = int(ends[at] - rows.n[at]), int(ends[at])
        values = ordered.values[start:end]
        numbers = values[~np.isnan(values)]
        assert (rows.x[at], rows.x_last[at]) == (x[start], x[end - 1])
        assert same(rows.first[at], values[0])
        assert same(rows.last[at], values[-1])
        assert rows.nan_count[at] == end - start - len(numbers)
        assert same(rows.min[at], numbers.min() if len(numbers) else np.nan)
        assert same(rows.max[at], numbers.max() if len(numbers) else np.nan)
        with np.errstate(invalid="ignore"):
            assert same(rows.mean[at], numbers.mean() if len(numbers) else np.nan, 1e-9)


def same(one: float, other: float, tolerance: float = 0.0) -> bool:
    return bool(np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))


@pytest.mark.parametrize("folded", [0.0, 0.6, 1.0])
def test_every_zoom_equals_brute_force(store: Store, folded: float) -> None:
    # Given a series of which a part was compacted
    points = training(3_000)
    cut = int(len(points) * folded)
    store.append_points(SERIES, take(points, slice(0, cut)))
    store.fold(1, LIMITS)
    store.append_points(SERIES, take(points, slice(cut, None)))
    # When any part of it is drawn along any axis
    for axis in AXES:
        x = x_of(along(points, axis), axis, int(points.timestamps.min())).tolist()
        views = [(x[a], x[b]) for a, b in ((0, -1), (0, 2_000), (1_000, 1_001), (1_023, 1_024))]
        views += [(x[0] - 500, x[-1] + 500), (x[-1] + 1, x[-1] + 10), (x[1_500] + 1, x[2_900] - 1)]
        # Then all is as if from single points
        for view in views:
            for buckets in (1, 7, 250, 4_000):
                check(draw_chart(store, axis, buckets, *view), points, axis, buckets, view)
        check(draw_chart(store, axis, 50), points, axis, 50, (x[0], x[-1]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 4_000),
    seed=st.integers(0, 100),
    disorder=st.sampled_from(["none", "restart", "one time", "one step", "shuffled"]),
    parts=st.lists(st.floats(0, 1), max_size=3),
    axis=st.sampled_from(AXES),
    zoom=st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1)),
    buckets=st.integers(1, 600),
)
def test_any_order_of_points_any_zoom(
    database: Database,
    n: int,
    seed: int,
    disorder: str,
    parts: list[float],
    axis: Axis,
    zoom: tuple[float, float],
    buckets: int,
) -> None:
    # Given points that came in some order, compacted now and then
    store = Store(database)
    database.write_from_thread(lambda tx: engine.delete_scopes(tx, [1]))
    points = training(n, seed)
    if disorder == "restart":
        points = restarted(points)
    elif disorder == "one time":
        points = Points(np.full(n, 5), points.steps, points.values)
    elif disorder == "one step":
        points = Points(points.timestamps, np.full(n, 5), points.values)
    elif disorder == "shuffled":
        points = take(points, np.random.default_rng(seed).permutation(n))
    cuts = [0, *sorted(int(part * n) for part in parts), n]
    for start, end in pairwise(cuts):
        store.append_points(SERIES, take(points, slice(start, end)))
        if end < n or seed % 2:
            store.fold(1, LIMITS)
    # When a part is drawn
    x = x_of(points, axis, int(points.timestamps.min()))
    low, span = int(x.min()), int(x.max() - x.min())
    view = (low + int(min(zoom) * span), low + int(max(zoom) * span))
    found = draw_chart(store, axis, buckets, *view)
    # Then it is the whole truth about it
    check(found, sort_unique(points), axis, buckets, view)


def test_repeated_points_count_once_before_and_after_compaction(store: Store) -> None:
    points = training(3_000)
    store.append_points(SERIES, points)
    store.fold(1, LIMITS)
    store.append_points(SERIES, take(points, slice(1_500, 2_600)))
    for _ in range(2):
        for axis in AXES:
            x = x_of(points, axis, int(points.timestamps.min())).tolist()
            check(draw_chart(store, axis, 40), points, axis, 40, (x[0], x[-1]))
        store.fold(1, LIMITS)


def test_late_points_are_drawn_where_they_belong(store: Store) -> None:
    points = training(3_000)
    late = np.arange(0, 3_000, 97)
    store.append_points(SERIES, take(points, np.setdiff1d(np.arange(3_000), late)))
    store.fold(1, LIMITS)
    store.append_points(SERIES, take(points, late))
    for _ in range(2):
        found = draw_chart(store, "step", 40)
        check(found, points, "step", 40, (0, 2_999 * 3))
        store.fold(1, LIMITS)


def test_over_budget_units_stay_whole_and_exact(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a request that may decode nothing
    monkeypatch.setattr(charts, "MOST_DECODED", 0)
    points = training(4_096)
    store.append_points(SERIES, points)
    store.fold(1, Limits(chunk=1_024, pack=0))
    # When more buckets are asked for than there are units
    found = draw_chart(store, "step", 1_000)
    # Then there is a bucket per unit
    assert found.buckets.n.tolist() == [256] * 16
    check_runs(found.buckets, points, points.steps)
    # And a zoom shows the units that it touches
    zoomed = draw_chart(store, "step", 1_000, 300 * 3, 900 * 3)
    assert zoomed.buckets.x.tolist() == [256 * 3, 512 * 3, 768 * 3]
    # When it may decode the chunk on the edge, then that is exact
    monkeypatch.setattr(charts, "MOST_DECODED", 1_024)
    zoomed = draw_chart(store, "step", 1_000, 300 * 3, 900 * 3)
    assert (zoomed.buckets.x[0], zoomed.buckets.x_last[-1]) == (300 * 3, 900 * 3)
    assert int(zoomed.buckets.n.sum()) == 601


def test_relative_time_starts_at_the_origin_given(store: Store) -> None:
    store.append(batch(1, 5, [(1_000, 0, 1.0), (1_500, 1, 2.0)]), batch(1, 6, [(2_000, 0, 3.0)]))
    first, second = series_id(1, 5), series_id(1, 6)
    found = store.database.read_here(
        lambda connection: engine.chart(
            connection, [first, second], axis="relative", buckets=10, origins={first: 900}, x_min=0
        )
    )
    assert [one.buckets.x.tolist() for one in found] == [[100, 600], [0]]


def test_series_come_in_the_order_asked_for_and_unknown_ones_are_empty(store: Store) -> None:
    store.append(batch(2, 1, [(1, 1, 1.0)]), batch(1, 9, [(2, 2, 2.0)]))
    asked = [series_id(2, 1), series_id(7, 7), series_id(1, 9), series_id(2, 1)]
    found = store.database.read_here(
        lambda connection: engine.chart(connection, asked, axis="step", buckets=5)
    )
    assert [one.series for one in found] == asked
    assert [one.buckets.min.tolist() for one in found] == [[1.0], [], [2.0], [1.0]]


def test_extreme_coordinates_are_drawn(store: Store) -> None:
    ends = (-(2**63), 0, 2**63 - 1)
    store.append(batch(1, 5, [(x, x, float(at)) for at, x in enumerate(ends)]))
    for axis in ("step", "time"):
        found = draw_chart(store, axis, 2)
        assert found.buckets.n.tolist() == [1, 2]
        assert draw_chart(store, axis, 3).exact
