"""Evenly spaced samples, as MLflow's bulk-interval history."""

from __future__ import annotations

import numpy as np
import pytest

from runyard.server.metrics import engine
from runyard.server.metrics import sample as sampling
from runyard.server.metrics.columns import take
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.types import Points, series_id
from tests.contract.metrics.conftest import Store, batch
from tests.contract.metrics.test_chart import along, restarted, training

SERIES = series_id(1, 5)
LIMITS = Limits(chunk=128, pack=100)


def ntile_firsts(n: int, count: int) -> list[int]:
    """Where SQL's NTILE(count) starts its parts, and the last row in place of the last of them."""
    sizes = [n // count + (at < n % count) for at in range(count)]
    starts = [sum(sizes[:at]) for at in range(count) if sizes[at]]
    if n > count:
        starts[-1] = n - 1
    return starts


def draw_sample(
    store: Store, count: int, low: int | None = None, high: int | None = None
) -> list[tuple[int, float]]:
    found = store.database.read_here(
        lambda connection: engine.sample(connection, SERIES, count=count, min_step=low, max_step=high)
    )
    return list(zip(found.steps.tolist(), found.values.tolist(), strict=True))


def pairs(points: Points) -> list[tuple[int, float]]:
    return list(zip(points.steps.tolist(), points.values.tolist(), strict=True))


@pytest.mark.parametrize("few", [sampling._FEW, 0], ids=["decoded", "block by block"])
@pytest.mark.parametrize("folded", [0.0, 0.7, 1.0])
def test_samples_start_equal_parts(
    store: Store, folded: float, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a series of which a part was compacted
    monkeypatch.setattr(sampling, "_FEW", few)
    points = training(1_000, spikes=False)
    cut = int(len(points) * folded)
    store.append_points(SERIES, take(points, slice(0, cut)))
    store.fold(1, LIMITS)
    store.append_points(SERIES, take(points, slice(cut, None)))
    for low, high in ((None, None), (0, 2_997), (100, 1_000), (300, 300), (2_990, 9_999), (5_000, 6_000)):
        inside = points.steps >= (low or 0)
        inside &= points.steps <= (10_000 if high is None else high)
        expected = pairs(take(points, inside))
        for count in (1, 2, 3, 10, 320, 999, 1_000, 2_000):
            # When it is sampled, then the points are those of MLflow's query
            wanted = [expected[at] for at in ntile_firsts(len(expected), count)]
            assert draw_sample(store, count, low, high) == wanted


def test_steps_that_went_back_are_sorted(store: Store) -> None:
    points = restarted(training(1_000, spikes=False))
    store.append_points(SERIES, points)
    store.fold(1, LIMITS)
    expected = pairs(along(points, "step"))
    assert draw_sample(store, 50) == [expected[at] for at in ntile_firsts(1_000, 50)]


def test_of_a_long_series_whose_steps_went_back_the_ends_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_FEW", 0)
    points = restarted(training(2_000, spikes=False))
    store.append_points(SERIES, points)
    store.fold(1, LIMITS)
    ordered = pairs(along(points, "step"))
    for count in (2, 7, 100):
        found = draw_sample(store, count)
        assert found == sorted(found)
        assert count - 1 <= len(found) <= count
        assert (found[0], found[-1]) == (ordered[0], ordered[-1])
        assert set(found) <= set(ordered)


def test_many_points_of_one_step_are_sampled_one_by_one(store: Store) -> None:
    store.append(batch(1, 5, [(at, 0, float(at)) for at in range(100)]))
    assert draw_sample(store, 4) == [(0, 0.0), (0, 25.0), (0, 50.0), (0, 99.0)]


def test_an_unknown_series_is_empty(store: Store) -> None:
    assert draw_sample(store, 10) == []


def test_nan_is_sampled(store: Store) -> None:
    store.append(batch(1, 5, [(1, 1, float("nan"))]))
    [(step, value)] = draw_sample(store, 10)
    assert step == 1
    assert np.isnan(value)
