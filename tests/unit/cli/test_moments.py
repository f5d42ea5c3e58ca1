"""Times as they are written on the command line."""

from __future__ import annotations

from datetime import datetime

import click
import pytest

from runyard.cli import moments

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("30s", NOW - 30_000),
        ("15m", NOW - 900_000),
        ("12h", NOW - 43_200_000),
        ("7d", NOW - 604_800_000),
        ("2w", NOW - 1_209_600_000),
        ("2026-01-31T08:30:00Z", 1_769_848_200_000),
        ("2026-01-31T08:30:00+02:00", 1_769_841_000_000),
        ("2026-01-31", int(datetime(2026, 1, 31).astimezone().timestamp() * 1000)),
    ],
)
def test_a_time(text: str, ms: int) -> None:
    assert moments.parse(text, now_ms=NOW) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "2026-13-01", "-7d"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter, match="7d"):
        moments.parse(text, now_ms=NOW)
