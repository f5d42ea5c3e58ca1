"""The rows of the batch log: points as they came, in columns, narrow but not compressed.

    byte     format (1)
    byte     widths: bits 0-2 steps, 3-5 timestamps, 6-7 index (see below)
    u32      n, the number of points
    u32      k, the number of keys
    i64 i64  the least step, the least timestamp
    u32 * k  keys
    index    per point the position of its key, unsigned; absent when k is 1
    steps    per point the distance from the least step, unsigned
    times    per point the distance from the least timestamp, unsigned
    f64 * n  values

All little-endian. A width is the code of a number of bytes: 0, 1, 2, 4, 8; an absent column is zeros.
"""

from __future__ import annotations

import struct

FORMAT = 1
HEADER = struct.Struct("<BBIIqq")
