"""The total order of a history."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runyard.server.metrics.columns import (
    count_before,
    count_upto,
    position_at,
    rank_of,
    sort_unique,
)
from tests.contract.metrics.model import as_list, identity
from tests.unit.server.metrics.series import FLOAT_BITS, as_points, point, point_lists


@given(st.lists(FLOAT_BITS, min_size=2, max_size=50))
def test_ranks_order_floats_as_the_history_does(bits: list[int]) -> None:
    values = np.array(bits, np.uint64).view(np.float64)
    ranks = rank_of(values).tolist()
    for value, rank in zip(values.tolist(), ranks, strict=True):
        for other, other_rank in zip(values.tolist(), ranks, strict=True):
            assert (rank < other_rank) == (identity((0, 0, value)) < identity((0, 0, other)))


def test_ranking_leaves_the_values_alone() -> None:
    values = np.array([-0.0, float("nan"), 3.0])
    before = values.tobytes()
    rank_of(values)
    assert values.tobytes() == before


@given(point_lists)
def test_sorting_gives_each_point_once_in_order(rows: list[tuple[int, int, float]]) -> None:
    found = as_list(sort_unique(as_points(rows)))
    assert [identity(row) for row in found] == sorted({identity(row) for row in rows})


@given(point_lists, point)
def test_positions_split_a_history(rows: list[tuple[int, int, float]], other: tuple[int, int, float]) -> None:
    points = sort_unique(as_points(rows))
    ordered = [identity(row) for row in as_list(points)]
    for at in range(len(points)):
        assert count_upto(points, position_at(points, at)) == at + 1
        assert count_before(points, position_at(points, at)) == at
    position = position_at(as_points([other]), 0)
    assert count_upto(points, position) == sum(place <= identity(other) for place in ordered)
    assert count_before(points, position) == sum(place < identity(other) for place in ordered)
