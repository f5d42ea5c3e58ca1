"""The rows of the batch log as blobs: see `batchlog_layout` for what is in them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runyard.server.metrics.batchlog_layout import FORMAT, HEADER
from runyard.server.metrics.types import PointBatch

if TYPE_CHECKING:
    from runyard.server.metrics.columns import Columns

# A group's batches of one scope share a row while they are small.
_ROW_POINTS = 2_048
# Up to here a loop beats the fixed cost of array operations.
_SMALL = 48

_CODES = "BHIQ"


def encode_group(batches: Sequence[PointBatch]) -> list[tuple[int, int, bytes]]:
    """The log rows (scope, n, data) of a group of batches, in the order of the scopes' first batches."""
    by_scope: dict[int, list[PointBatch]] = {}
    for batch in batches:
        if len(batch.values):
            by_scope.setdefault(batch.scope, []).append(batch)
    return [
        (scope, len(row.values), encode(row))
        for scope, members in by_scope.items()
        for row in _coalesced(members)
    ]


def encode(batch: PointBatch) -> bytes:
    """One batch as a blob. It holds at least one point."""
    if len(batch.values) > _SMALL:
        # numpy waits for the first big batch.
        from runyard.server.metrics.batchlog_bulk import encode_bulk

        return encode_bulk(batch)
    return _encode_small(batch)


def decode(blobs: Sequence[bytes]) -> Columns:
    """The points of some rows, one after the other."""
    from runyard.server.metrics.batchlog_bulk import decode_bulk

    return decode_bulk(blobs)


def _coalesced(batches: list[PointBatch]) -> list[PointBatch]:
    if len(batches) == 1:
        return batches
    rows: list[PointBatch] = []
    waiting: list[PointBatch] = []
    size = 0
    for batch in batches:
        if len(batch.values) > _SMALL:
            rows.append(batch)
            continue
        waiting.append(batch)
        size += len(batch.values)
        if size >= _ROW_POINTS:
            rows.append(_joined(waiting))
            waiting, size = [], 0
    if waiting:
        rows.append(_joined(waiting))
    return rows


def _joined(batches: list[PointBatch]) -> PointBatch:
    if len(batches) == 1:
        return batches[0]
    places: dict[int, int] = {}
    index: list[int] = []
    steps: list[int] = []
    timestamps: list[int] = []
    values: list[float] = []
    for batch in batches:
        at = [places.setdefault(key, len(places)) for key in batch.keys]
        index += at * len(batch.values) if batch.index is None else [at[i] for i in batch.index]
        steps += batch.steps
        timestamps += batch.timestamps
        values += batch.values
    keys = list(places)
    return PointBatch(batches[0].scope, keys, index if len(keys) > 1 else None, steps, timestamps, values)


def _encode_small(batch: PointBatch) -> bytes:
    n, k = len(batch.values), len(batch.keys)
    step, time = min(batch.steps), min(batch.timestamps)
    step_code, steps = _narrow(batch.steps, step)
    time_code, times = _narrow(batch.timestamps, time)
    index_code, index = _narrow(batch.index, 0) if batch.index is not None else (0, b"")
    return b"".join(
        (
            HEADER.pack(FORMAT, step_code | time_code << 3 | min(index_code, 3) << 6, n, k, step, time),
            struct.pack(f"<{k}I", *batch.keys),
            index,
            steps,
            times,
            struct.pack(f"<{n}d", *batch.values),
        )
    )


def _narrow(numbers: Sequence[int], base: int) -> tuple[int, bytes]:
    span = max(numbers) - base
    if not span:
        return 0, b""
    code = 1 if span < 1 << 8 else 2 if span < 1 << 16 else 3 if span < 1 << 32 else 4
    return code, struct.pack(f"<{len(numbers)}{_CODES[code - 1]}", *[number - base for number in numbers])
