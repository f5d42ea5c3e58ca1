"""Times as they are written on the command line. Pure."""

from __future__ import annotations

import re
from datetime import datetime

import click

_AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse(text: str, *, now_ms: int) -> int:
    """Milliseconds since the epoch of `2026-01-31`, `2026-01-31T08:30`, `...Z`, or `7d`: seven days ago.

    A time without a zone is on this machine's clock.

    Raises:
        click.BadParameter: it is no time.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000
    try:
        return int(datetime.fromisoformat(text.strip()).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T08:30, or 7d, 12h, 30m for so long ago."
        ) from None
