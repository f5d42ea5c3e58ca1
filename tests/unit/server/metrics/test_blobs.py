"""Log rows, packs and chunks come back whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.server.metrics import batchlog
from runyard.server.metrics.batchlog_bulk import encode_bulk, encode_columns
from runyard.server.metrics.chunk import cut, cut_evenly, decode_points, encode_points
from runyard.server.metrics.columns import Columns, sort_unique, sort_unique_columns
from runyard.server.metrics.pack import decode_pack, encode_pack
from runyard.server.metrics.types import PointBatch, series_id
from tests.contract.metrics.model import identity
from tests.unit.server.metrics.series import as_points, point_lists

Row = tuple[int, int, int, float, bool]

keys = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=300, unique=True)


@st.composite
def batches(draw: st.DrawFn) -> PointBatch:
    points = draw(point_lists)
    names = draw(keys)
    index = [draw(st.integers(0, len(names) - 1)) for _ in points] if len(names) > 1 else None
    return PointBatch(
        draw(st.integers(0, 3)),
        names,
        index,
        [step for _, step, _ in points],
        [timestamp for timestamp, _, _ in points],
        [value for _, _, value in points],
    )


def rows_of(columns: Columns) -> list[Row]:
    """Points as comparable tuples (key, timestamp, step, value or 0, whether NaN)."""
    points = zip(columns.timestamps.tolist(), columns.steps.tolist(), columns.values.tolist(), strict=True)
    return [(key, *identity(point)) for key, point in zip(columns.keys.tolist(), points, strict=True)]


def rows_of_batch(batch: PointBatch) -> list[Row]:
    index = batch.index or [0] * len(batch)
    return [
        (batch.keys[at], *identity((timestamp, step, value)))
        for at, step, timestamp, value in zip(index, batch.steps, batch.timestamps, batch.values, strict=True)
    ]


@given(batches())
def test_a_batch_comes_back_however_it_was_encoded(batch: PointBatch) -> None:
    expected = rows_of_batch(batch)
    assert rows_of(batchlog.decode([batchlog.encode(batch)])) == expected
    assert rows_of(batchlog.decode([encode_bulk(batch)])) == expected


@given(st.lists(batches(), max_size=8))
def test_a_group_keeps_every_point_in_its_scope(group: list[PointBatch]) -> None:
    rows = batchlog.encode_group(group)
    for scope in range(4):
        expected = [row for batch in group if batch.scope == scope for row in rows_of_batch(batch)]
        blobs = [data for row_scope, _, data in rows if row_scope == scope]
        found = rows_of(batchlog.decode(blobs))
        assert sorted(found) == sorted(expected)
        assert sum(n for row_scope, n, _ in rows if row_scope == scope) == len(expected)


def test_small_batches_of_a_scope_share_a_row() -> None:
    group = [PointBatch(scope, [key], None, [1], [2], [0.5]) for key in range(10) for scope in (1, 2)]
    assert [(scope, n) for scope, n, _ in batchlog.encode_group(group)] == [(1, 10), (2, 10)]


def test_an_empty_batch_makes_no_row() -> None:
    assert batchlog.encode_group([PointBatch(1, [], None, [], [], [])]) == []


def test_a_single_point_takes_38_bytes() -> None:
    assert len(batchlog.encode(PointBatch(1, [5], None, [10], [1_700_000_000_000], [0.5]))) == 38


@given(st.lists(batches(), max_size=4))
def test_a_pack_comes_back(group: list[PointBatch]) -> None:
    columns = sort_unique_columns(batchlog.decode([batchlog.encode(batch) for batch in group]))
    expected = sorted({row for batch in group for row in rows_of_batch(batch)})
    assert rows_of(columns) == expected
    assert rows_of(decode_pack(encode_pack(columns))) == expected
    if len(columns):
        assert rows_of(batchlog.decode([encode_columns(columns)])) == expected


@given(point_lists, st.integers(1, 40))
def test_cut_chunks_hold_every_point_once_in_order(rows: list[tuple[int, int, float]], full: int) -> None:
    points = sort_unique(as_points(rows))
    expected = sorted({identity(row) for row in rows})
    for chunks in (cut(series_id(1, 2), points, full), cut_evenly(series_id(1, 2), points, full)):
        assert all(0 < chunk.n <= full for chunk in chunks)
        found = []
        for chunk in chunks:
            content = decode_points(chunk.points)
            found += list(
                zip(content.timestamps.tolist(), content.steps.tolist(), content.values.tolist(), strict=True)
            )
            assert len(content) == chunk.n
            assert (chunk.min_step, chunk.max_step) == (content.steps.min(), content.steps.max())
            assert (chunk.first_timestamp, chunk.last_timestamp) == (
                content.timestamps[0],
                content.timestamps[-1],
            )
        assert [identity(point) for point in found] == expected


@pytest.mark.parametrize("decode", [lambda blob: batchlog.decode([blob]), decode_pack, decode_points])
def test_a_format_of_the_future_is_refused(decode: object) -> None:
    with pytest.raises(ValueError, match="format 2"):
        decode(b"\x02" + bytes(60))  # type: ignore[operator]


def test_points_are_bit_exact() -> None:
    values = np.array([0x7FF0000000000001, 0xFFF8000000000001, 1 << 63, 1], np.uint64).view(np.float64)
    points = as_points([(1, 1, 0.0), (2, 1, 0.0), (3, 1, 0.0), (4, 1, 0.0)])
    blob = encode_points(type(points)(points.timestamps, points.steps, values))
    assert decode_points(blob).values.view(np.uint64).tolist() == values.view(np.uint64).tolist()
