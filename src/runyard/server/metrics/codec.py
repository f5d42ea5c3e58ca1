"""Columns of numbers as bytes, bit for bit, and fast: all work is on whole arrays.

Integers: the distances from the least one, or the deltas, or the deltas of the deltas, whichever look
smallest, in the fewest bytes that hold them all, byte planes apart, zstd. A regular column (every step
logged, one point a second) is 18 bytes at any length.

    byte     bits 0-1 order (how often the deltas were taken), 2-4 width code, 5 whether zstd was used
    i64 * .. order 0: the least number; order 1: the first number; order 2: the first, the first delta
    u32      the payload's length; absent, as the payload, when the width is 0
    ...      payload

Floats: one constant; or integers over a power of ten, where that is exact (rounded metrics); or byte
planes, where planes that are noise stand as they are and the others go through zstd.

    byte     0 constant, followed by the f64
             1 decimal, followed by a byte with the exponent and an integer column
             2 planes, followed by a byte with a bit per noisy plane, those planes, the u32 length of the
               others' zstd frame, the frame

All little-endian. A width is the code of a number of bytes: 0, 1, 2, 4, 8.
"""

from __future__ import annotations

import struct
import threading
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from runyard.server.metrics.columns import Floats, Ints

_LEVEL = 3
_TYPES = (None, np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_ZSTD = 1 << 5
_CONSTANT, _DECIMAL, _PLANES = 0, 1, 2
_LENGTH = struct.Struct("<I")

# Entropy in bits per byte from which a plane counts as noise, and the values that it is measured on.
_NOISE = 7.7
_SAMPLE = 1_024
_MIN_SAMPLE = 64
_MAX_EXPONENT = 6

_local = threading.local()


class Reader:
    """Reads columns one after the other from a blob."""

    __slots__ = ("_at", "_blob")

    def __init__(self, blob: bytes, at: int = 0) -> None:
        self._blob = blob
        self._at = at

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next fields of a struct."""
        found = form.unpack_from(self._blob, self._at)
        self._at += form.size
        return found

    def take(self, length: int) -> memoryview:
        """The next bytes."""
        found = memoryview(self._blob)[self._at : self._at + length]
        self._at += length
        return found

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._blob[self._at - 1]

    def ints(self, n: int) -> Ints:
        """The next column, of n integers."""
        return _decode_ints(self, n)

    def floats(self, n: int) -> Floats:
        """The next column, of n floats."""
        return _decode_floats(self, n)


def encode_ints(column: Ints) -> bytes:
    """A column of at least one integer."""
    order, heads, rest = _smallest(column)
    top = int(rest.max()) if len(rest) else 0
    if not top:
        return struct.pack(f"<B{len(heads)}q", order, *heads)
    code = 1 if top < 1 << 8 else 2 if top < 1 << 16 else 3 if top < 1 << 32 else 4
    payload = _split(rest.astype(_TYPES[code])).tobytes()
    packed = _compress(payload)
    flag = 0
    if len(packed) < len(payload):
        flag, payload = _ZSTD, packed
    head = struct.pack(f"<B{len(heads)}qI", order | code << 2 | flag, *heads, len(payload))
    return head + payload


def encode_floats(column: Floats) -> bytes:
    """A column of at least one float."""
    bits = column.view(np.int64)
    if (bits == bits[0]).all():
        return struct.pack("<Bd", _CONSTANT, column[0])
    decimal = _as_decimal(column, bits)
    if decimal is not None:
        exponent, numbers = decimal
        return struct.pack("<BB", _DECIMAL, exponent) + encode_ints(numbers)
    return _encode_planes(column)


def _decode_ints(reader: Reader, n: int) -> Ints:
    mode = reader.byte()
    order, code = mode & 3, mode >> 2 & 7
    heads = reader.unpack(_HEADS[order])
    if not code:
        return _regular(order, heads, n)
    dtype = np.dtype(f"<u{1 << code - 1}")
    (length,) = reader.unpack(_LENGTH)
    payload = reader.take(length)
    rest = _merge(_decompress(payload) if mode & _ZSTD else payload, n - order, dtype)
    if order == 0:
        return rest.astype(np.int64) + np.int64(heads[0])
    return _integrated(heads, rest, n)


_HEADS = tuple(struct.Struct(f"<{count}q") for count in (1, 1, 2))


def _regular(order: int, heads: tuple[int, ...], n: int) -> Ints:
    if order < 2:
        return np.full(n, heads[0], np.int64)
    # Wraps where it must, as the deltas did.
    return np.arange(n, dtype=np.int64) * np.int64(heads[1]) + np.int64(heads[0])


def _integrated(heads: tuple[int, ...], rest: NDArray[Any], n: int) -> Ints:
    """Undo the deltas and the zigzag."""
    order = len(heads)
    column = np.empty(n, np.int64)
    deltas = column[order:]
    np.right_shift(rest, 1, out=deltas.view(np.uint64))
    deltas ^= -(rest & 1).astype(np.int64)
    for depth in range(order - 1, -1, -1):
        column[depth] = heads[depth]
        np.cumsum(column[depth:], out=column[depth:])
    return column


def _smallest(column: Ints) -> tuple[int, tuple[int, ...], NDArray[np.uint64]]:
    """The order that looks smallest on a sample: order, heads, what is left as unsigned numbers."""
    if len(column) < 3:
        return 0, (int(column.min()),), _distances(column)
    deltas = np.diff(column)
    bends = np.diff(deltas)
    first = int(column[0])
    if not bends.any():
        return 2, (first, int(deltas[0])), _zigzag(bends)
    few = slice(0, _SAMPLE)
    costs = (_bits(_distances(column[few])), _bits(_zigzag(deltas[few])), _bits(_zigzag(bends[few])))
    order = costs.index(min(costs))
    if order == 0:
        return 0, (int(column.min()),), _distances(column)
    if order == 1:
        return 1, (first,), _zigzag(deltas)
    return 2, (first, int(deltas[0])), _zigzag(bends)


def _distances(column: Ints) -> NDArray[np.uint64]:
    return _unsigned(column - column.min())


def _zigzag(column: Ints) -> NDArray[np.uint64]:
    return _unsigned((column << 1) ^ (column >> 63))


def _unsigned(column: Ints) -> NDArray[np.uint64]:
    return column.view(np.uint64)


def _bits(column: NDArray[np.uint64]) -> int:
    """How many bits the numbers have, without leading zeros."""
    return int(np.frexp(column.astype(np.float64))[1].sum())


def _as_decimal(column: Floats, bits: Ints) -> tuple[int, Ints] | None:
    """Integers and the exponent e with integer / 10**e == float for all, bit for bit."""
    few = column[:: max(1, len(column) // 16)]
    with np.errstate(invalid="ignore", over="ignore"):
        fits = (np.rint(few * _SCALES) / _SCALES == few).all(axis=1)
        for exponent in np.flatnonzero(fits).tolist():
            scale = 10.0**exponent
            numbers = np.rint(column * scale)
            if not (np.abs(numbers) < 2.0**53).all():
                return None
            whole = numbers.astype(np.int64)
            if ((whole / scale).view(np.int64) == bits).all():
                return exponent, whole
    return None


_SCALES = 10.0 ** np.arange(_MAX_EXPONENT + 1)[:, None]


def _encode_planes(column: Floats) -> bytes:
    planes = _split(column.view("<u8"))
    noise = _noise(planes)
    calm = planes[~noise]
    frame = _compress(calm.tobytes()) if len(calm) else b""
    return b"".join(
        (
            bytes((_PLANES, int(np.packbits(noise, bitorder="little")[0]))),
            planes[noise].tobytes(),
            _LENGTH.pack(len(frame)),
            frame,
        )
    )


def _noise(planes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of the eight planes are noise, judged by the entropy of a sample."""
    few = planes[:, :_SAMPLE]
    n = few.shape[1]
    if n < _MIN_SAMPLE:
        return np.zeros(8, np.bool_)
    shares = np.bincount((few + _PLANE_OFFSETS).ravel(), minlength=2_048).reshape(8, 256) / n
    entropy = -(shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)
    # A short plane can't show more bits than its length has room for.
    noise: NDArray[np.bool_] = entropy > _NOISE / 8 * min(8.0, float(np.log2(n)))
    return noise


_PLANE_OFFSETS = np.arange(0, 2_048, 256, dtype=np.int64)[:, None]


def _decode_floats(reader: Reader, n: int) -> Floats:
    mode = reader.byte()
    if mode == _CONSTANT:
        return np.full(n, reader.unpack(_DOUBLE)[0])
    if mode == _DECIMAL:
        scale = 10.0 ** reader.byte()
        return reader.ints(n) / scale
    if mode != _PLANES:
        raise ValueError(f"a column of floats has mode {mode}, which this version of Runyard doesn't know")
    mask = reader.byte()
    noisy = [number for number in range(8) if mask >> number & 1]
    calm = [number for number in range(8) if not mask >> number & 1]
    bytewise = np.empty((n, 8), np.uint8)
    raw = np.frombuffer(reader.take(n * len(noisy)), np.uint8).reshape(len(noisy), n)
    for row, number in enumerate(noisy):
        bytewise[:, number] = raw[row]
    (length,) = reader.unpack(_LENGTH)
    if calm:
        rest = np.frombuffer(_decompress(reader.take(length)), np.uint8).reshape(len(calm), n)
        for row, number in enumerate(calm):
            bytewise[:, number] = rest[row]
    return bytewise.view("<f8").reshape(n).astype(np.float64, copy=False)


_DOUBLE = struct.Struct("<d")


def _split(column: NDArray[Any]) -> NDArray[np.uint8]:
    """The byte planes of a column: row p holds byte p of every number."""
    return np.ascontiguousarray(column.view(np.uint8).reshape(len(column), -1).T)


def _merge(planes: bytes | memoryview, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The column that has these byte planes."""
    width = dtype.itemsize
    rows = np.frombuffer(planes, np.uint8)
    if width == 1:
        return rows
    rows = rows.reshape(width, n)
    bytewise = np.empty((n, width), np.uint8)
    for number in range(width):
        bytewise[:, number] = rows[number]
    return bytewise.view(dtype).reshape(n)


def _compress(payload: bytes) -> bytes:
    return _compressor().compress(payload)


def _decompress(frame: memoryview) -> bytes:
    return _decompressor().decompress(frame)


def _compressor() -> zstandard.ZstdCompressor:
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard.ZstdDecompressor()
    return found
