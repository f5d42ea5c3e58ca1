"""Hypothesis strategies for points."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from runyard.server.metrics.types import Points

INT64 = st.integers(-(2**63), 2**63 - 1)

ints = st.one_of(
    st.lists(INT64, min_size=1, max_size=200),
    st.lists(st.integers(0, 3), min_size=1, max_size=200),
    # Regular, with gaps.
    st.tuples(INT64, st.integers(-1000, 1000), st.integers(1, 200)).map(
        lambda a: [(a[0] + i * a[1] + 2**63) % 2**64 - 2**63 for i in range(a[2])]
    ),
    st.lists(st.sampled_from((-(2**63), 2**63 - 1, 0, 1)), min_size=1, max_size=50),
)
"""Lists of any int64, many of them as steps and timestamps are."""

FLOAT_BITS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from(
        (
            0x7FF0000000000000,  # inf
            0xFFF0000000000000,  # -inf
            0x7FF8000000000000,  # NaN
            0xFFF8000000000001,  # a negative NaN with a payload
            0x7FF0000000000001,  # a signalling NaN
            0x8000000000000000,  # -0.0
            0x0000000000000001,  # the least denormal
        )
    ),
)

float_bits = st.one_of(
    st.lists(FLOAT_BITS, min_size=1, max_size=200),
    st.lists(st.floats(width=64), min_size=1, max_size=200).map(
        lambda values: np.array(values).view(np.uint64).tolist()
    ),
    st.lists(st.floats(width=32), min_size=1, max_size=200).map(
        lambda values: np.array(values).view(np.uint64).tolist()
    ),
    st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=200).map(
        lambda values: (np.array(values) / 100).view(np.uint64).tolist()
    ),
    st.tuples(FLOAT_BITS, st.integers(1, 100)).map(lambda a: [a[0]] * a[1]),
)
"""Lists of any float64 as unsigned bits: noise, single precision, rounded, constant."""

point = st.tuples(
    st.one_of(st.integers(0, 20), INT64),
    st.one_of(st.integers(0, 20), INT64),
    st.one_of(st.sampled_from((0.0, -0.0, 1.0, float("nan"), float("inf"), -float("inf"))), st.floats()),
)
"""Timestamp, step, value; many are alike."""

point_lists = st.lists(point, min_size=1, max_size=120)


def as_points(rows: list[tuple[int, int, float]]) -> Points:
    """Tuples (timestamp, step, value) as columns."""
    times, steps, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Points(np.array(times, np.int64), np.array(steps, np.int64), np.array(values, np.float64))
