"""Every column comes back bit for bit, and regular ones are tiny."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from runyard.server.metrics.codec import Reader, encode_floats, encode_ints
from tests.unit.server.metrics import series


@given(series.ints)
def test_integers_come_back(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    blob = encode_ints(column)
    assert Reader(blob).ints(len(column)).tolist() == numbers


@given(series.float_bits)
def test_floats_come_back_bit_for_bit(bits: list[int]) -> None:
    column = np.array(bits, np.uint64).view(np.float64)
    decoded = Reader(encode_floats(column)).floats(len(column))
    assert decoded.view(np.uint64).tolist() == bits


@given(series.ints, series.float_bits, series.ints)
def test_columns_follow_each_other(first: list[int], bits: list[int], last: list[int]) -> None:
    column = np.array(bits, np.uint64).view(np.float64)
    blob = encode_ints(np.array(first)) + encode_floats(column) + encode_ints(np.array(last))
    reader = Reader(blob)
    assert reader.ints(len(first)).tolist() == first
    assert reader.floats(len(bits)).view(np.uint64).tolist() == bits
    assert reader.ints(len(last)).tolist() == last


@pytest.mark.parametrize(
    ("column", "most"),
    [
        (np.arange(8_192) * 10, 18),  # regular steps
        (np.full(8_192, 7), 18),
        (1_700_000_000_000 + np.arange(8_192) // 16 * 1_000, 200),  # whole seconds
    ],
)
def test_regular_integers_are_tiny(column: np.ndarray, most: int) -> None:
    assert len(encode_ints(column)) <= most


def test_jittered_timestamps_take_less_than_a_byte() -> None:
    jitter = np.random.default_rng(1).integers(95, 106, 8_192)
    assert len(encode_ints(1_700_000_000_000 + np.cumsum(jitter))) < 0.8 * 8_192


@pytest.mark.parametrize(
    ("round_to", "bytes_per_value"),
    [(None, 6.6), ("single precision", 3.3), ("4 digits", 1.6)],
)
def test_noisy_losses_are_smaller_than_eight_bytes(round_to: str | None, bytes_per_value: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 8_192)
    losses = 1 / (1 + 0.001 * np.arange(8_192)) + noise
    if round_to == "single precision":
        losses = losses.astype(np.float32).astype(np.float64)
    elif round_to:
        losses = np.round(losses, 4)
    assert len(encode_floats(losses)) <= bytes_per_value * 8_192


def test_a_constant_takes_nine_bytes() -> None:
    assert len(encode_floats(np.full(8_192, float("nan")))) == 9


def test_an_unknown_kind_of_column_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 9"):
        Reader(b"\x09" + bytes(16)).floats(1)
