"""The only reader of the clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()
