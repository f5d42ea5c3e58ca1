"""`batchlog` in array operations: big batches, and reading."""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.metrics.batchlog_layout import FORMAT, HEADER
from runyard.server.metrics.columns import Columns, Floats, Ints, join_columns, of_batch
from runyard.server.metrics.types import PointBatch

_TYPES = (None, np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
# Rows of up to so many points are gathered in lists: arrays would cost more than their content.
_TINY = 4


def encode_bulk(batch: PointBatch) -> bytes:
    """One batch as a blob."""
    return _encode(batch.keys, *of_batch(batch))


def encode_columns(columns: Columns) -> bytes:
    """At least one point of a scope as a blob."""
    keys, index = np.unique(columns.keys, return_inverse=True)
    kind = np.uint8 if len(keys) <= 1 << 8 else np.uint16 if len(keys) <= 1 << 16 else np.uint32
    return _encode(keys.tolist(), index.astype(kind), columns.timestamps, columns.steps, columns.values)


def _encode(keys: Sequence[int], index: NDArray[Any], times: Ints, steps: Ints, values: Floats) -> bytes:
    step, time = int(steps.min()), int(times.min())
    step_code, step_bytes = _narrow(steps, step)
    time_code, time_bytes = _narrow(times, time)
    one_key = len(keys) == 1
    index_code = 0 if one_key else (1, 2, 0, 3)[index.itemsize - 1]
    return b"".join(
        (
            HEADER.pack(
                FORMAT,
                step_code | time_code << 3 | index_code << 6,
                len(values),
                len(keys),
                step,
                time,
            ),
            np.array(keys, "<u4").tobytes(),
            b"" if one_key else index.tobytes(),
            step_bytes,
            time_bytes,
            values.tobytes(),
        )
    )


def decode_bulk(blobs: Sequence[bytes]) -> Columns:
    """The points of some rows, one after the other."""
    parts: list[Columns] = []
    tiny: list[tuple[int, int, int, float]] = []
    for blob in blobs:
        header = HEADER.unpack_from(blob)
        _require_known(header[0])
        if header[2] <= _TINY:
            if header[2] == header[3] == 1:
                key, value = unpack_from("<Id", blob, HEADER.size)
                tiny.append((key, header[5], header[4], value))
            else:
                tiny.extend(_read_tiny(blob, header))
            continue
        if tiny:
            parts.append(_of_rows(tiny))
            tiny = []
        parts.append(_read(blob, header))
    if tiny:
        parts.append(_of_rows(tiny))
    return join_columns(parts)


def _require_known(version: int) -> None:
    if version != FORMAT:
        raise ValueError(f"a batch row has format {version}, which this version of Runyard doesn't know")


def _read_tiny(blob: bytes, header: tuple[int, ...]) -> list[tuple[int, int, int, float]]:
    _, widths, n, k, step, time = header
    keys = unpack_from(f"<{k}I", blob, HEADER.size)
    at = HEADER.size + 4 * k
    index, at = _unpack(blob, at, widths >> 6, n)
    steps, at = _unpack(blob, at, widths & 7, n)
    times, at = _unpack(blob, at, widths >> 3 & 7, n)
    values = unpack_from(f"<{n}d", blob, at)
    return [
        (keys[i], time + t, step + s, value)
        for i, s, t, value in zip(index, steps, times, values, strict=True)
    ]


def _unpack(blob: bytes, at: int, code: int, n: int) -> tuple[tuple[int, ...], int]:
    if code == 0:
        return (0,) * n, at
    return unpack_from(f"<{n}{'BHIQ'[code - 1]}", blob, at), at + (n << code - 1)


def _read(blob: bytes, header: tuple[int, ...]) -> Columns:
    _, widths, n, k, step, time = header
    keys = np.frombuffer(blob, "<u4", k, HEADER.size).astype(np.int64)
    at = HEADER.size + 4 * k
    index, at = _column(blob, at, widths >> 6, n)
    steps, at = _column(blob, at, widths & 7, n)
    times, at = _column(blob, at, widths >> 3 & 7, n)
    values = np.frombuffer(blob, "<f8", n, at)
    return Columns(
        np.full(n, keys[0]) if index is None else keys[index],
        _widen(times, time, n),
        _widen(steps, step, n),
        values,
    )


def _column(blob: bytes, at: int, code: int, n: int) -> tuple[NDArray[Any] | None, int]:
    dtype = _TYPES[code]
    if dtype is None:
        return None, at
    return np.frombuffer(blob, dtype, n, at), at + n * dtype.itemsize


def _widen(distances: NDArray[Any] | None, base: int, n: int) -> Ints:
    if distances is None:
        return np.full(n, base, np.int64)
    # The distance of two int64 may need all 64 bits; the sum wraps to the right number.
    return distances.astype(np.int64) + np.int64(base)


def _narrow(numbers: Ints, base: int) -> tuple[int, bytes]:
    span = int(numbers.max()) - base
    if not span:
        return 0, b""
    code = 1 if span < 1 << 8 else 2 if span < 1 << 16 else 3 if span < 1 << 32 else 4
    return code, (numbers - np.int64(base)).astype(_TYPES[code]).tobytes()


def _of_rows(rows: list[tuple[int, int, int, float]]) -> Columns:
    keys, times, steps, values = zip(*rows, strict=True)
    return Columns(
        np.array(keys, np.int64), np.array(times, np.int64), np.array(steps, np.int64), np.array(values)
    )
