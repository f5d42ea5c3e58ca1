"""Summaries are what their definition says, in every way that they are made."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.server.metrics.columns import sort_unique, take
from runyard.server.metrics.sketch import decode_sketches, encode_sketch, summary_of
from runyard.server.metrics.summary import SMALL, combine, merge, summarize
from runyard.server.metrics.summary_bulk import summarize_bulk, summarize_points
from runyard.server.metrics.types import PointBatch, Summary, series_id
from tests.contract.metrics import model
from tests.contract.metrics.model import Model, identity, same_summary
from tests.unit.server.metrics.series import as_points, point_lists

Rows = list[tuple[int, int, float]]


def batch_of(rows: Rows, keys: int) -> PointBatch:
    """The rows dealt to some keys in turn."""
    return PointBatch(
        5,
        [10 * (keys - at) for at in range(keys)],  # not in order
        [at % keys for at in range(len(rows))] if keys > 1 else None,
        [step for _, step, _ in rows],
        [timestamp for timestamp, _, _ in rows],
        [value for _, _, value in rows],
    )


@given(point_lists, st.integers(1, 5))
def test_a_batch_is_summarized_by_the_definition(rows: Rows, keys: int) -> None:
    expected = Model()
    expected.append([batch_of(rows, keys)])
    for found in (summarize(batch_of(rows, keys)), summarize_bulk(batch_of(rows, keys))):
        assert [series for series, _ in found] == expected.series()
        for series, summary in found:
            assert same_summary(summary, expected.summary(series))


@pytest.mark.parametrize("n", [1, 2, SMALL, SMALL + 1, 1_000])
def test_a_training_batch(n: int) -> None:
    batch = PointBatch(2, [7], None, list(range(n)), [1_000 + i for i in range(n)], [i / 2 for i in range(n)])
    top = (n - 1) / 2
    total = sum(i / 2 for i in range(n))
    assert summarize(batch) == [
        (
            series_id(2, 7),
            Summary(n, 0, total, 0.0, 0, top, n - 1, 0, 1_000, 0.0, n - 1, 999 + n, top),
        )
    ]


def test_of_equal_extremes_the_least_step_counts() -> None:
    batch = PointBatch(1, [1], None, [3, 1, 2, 4], [0, 0, 0, 0], [9.0, 1.0, 9.0, 1.0])
    [(_, summary)] = summarize(batch)
    assert (summary.max, summary.max_step, summary.min, summary.min_step) == (9.0, 2, 1.0, 1)


def test_nan_is_counted_and_ignored() -> None:
    nan = float("nan")
    [(_, summary)] = summarize(PointBatch(1, [1], None, [1, 2, 3], [0, 0, 0], [nan, 4.0, nan]))
    assert (summary.n, summary.nan_count, summary.sum, summary.min, summary.max) == (3, 2, 4.0, 4.0, 4.0)
    assert math.isnan(summary.first_value)
    assert math.isnan(summary.last_value)
    [(_, only)] = summarize(PointBatch(1, [1], None, [1, 2], [0, 0], [nan, nan]))
    assert (only.min, only.min_step, only.max, only.max_step, only.sum) == (None, None, None, None, 0.0)


def test_at_one_step_and_time_nan_counts_as_zero_for_the_latest() -> None:
    # As in MLflow, whose table of latest metrics holds NaN as 0.
    nan = float("nan")
    [(_, above)] = summarize(PointBatch(1, [1], None, [1, 1], [0, 0], [nan, 0.5]))
    [(_, below)] = summarize(PointBatch(1, [1], None, [1, 1], [0, 0], [nan, -0.5]))
    assert above.last_value == 0.5
    assert math.isnan(below.last_value)


def test_infinities_are_numbers() -> None:
    inf = float("inf")
    [(_, summary)] = summarize(PointBatch(1, [1], None, [1, 2], [0, 0], [inf, -inf]))
    assert (summary.min, summary.max) == (-inf, inf)
    assert math.isnan(summary.sum)


@given(point_lists, point_lists)
def test_merging_keeps_the_ends_and_extremes_and_says_when_counts_are_off(old: Rows, new: Rows) -> None:
    before, after = summarize_points(as_points(old)), summarize_points(as_points(new))
    whole = summarize_points(as_points(old + new))
    merged, stale = merge(before, after)
    if stale:
        merged = merged._replace(n=whole.n, nan_count=whole.nan_count, sum=whole.sum)
    assert same_summary(merged, whole)


@given(point_lists)
def test_a_repeated_batch_is_stale_and_changes_nothing(rows: Rows) -> None:
    summary = summarize_points(as_points(rows))
    merged, stale = merge(summary, summary)
    assert stale
    assert same_summary(merged, summary)


@given(st.lists(point_lists, min_size=1, max_size=4))
def test_disjoint_parts_combine(parts: list[Rows]) -> None:
    seen: set[object] = set()
    disjoint = []
    for part in parts:
        fresh = [row for row in part if identity(row) not in seen]
        seen.update(map(identity, fresh))
        if fresh:
            disjoint.append(fresh)
    found = combine(summarize_points(as_points(part)) for part in disjoint)
    everything = list({identity(row): row for part in disjoint for row in part}.values())
    assert found is not None
    assert same_summary(found, model.summary_of(everything))


def test_nothing_combines_to_nothing() -> None:
    assert combine([]) is None


@given(st.lists(point_lists, min_size=1, max_size=3))
def test_sketches_add_up_to_the_summary(groups: list[Rows]) -> None:
    rows = [row for group in groups for row in group]
    points = sort_unique(as_points(rows))
    parts = [take(points, slice(start, start + 50)) for start in range(0, len(points), 50)]
    found = summary_of(decode_sketches([encode_sketch(part) for part in parts]))
    assert same_summary(found, summarize_points(points))
