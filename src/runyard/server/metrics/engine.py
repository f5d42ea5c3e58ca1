"""What the slices above use. It knows series and scopes, never runs.

Reading needs numpy, which a start must not wait for: the modules that use it are imported by the first
call that needs them.
"""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.db import Connection
from runyard.server.metrics.log import append
from runyard.server.metrics.summary import merge, summarize
from runyard.server.metrics.types import Page, Points, Position, SeriesId

__all__ = ["append", "history", "history_many", "merge", "summarize"]


def history(connection: Connection, series: SeriesId, *, after: Position | None, limit: int) -> Page:
    """A page of a series' history; each point once.

    Args:
        connection: a snapshot.
        series: the series; an unknown one is empty.
        after: where the page before ended (`Page.next`); None for the first page.
        limit: the most points to return, at least 1.
    """
    from runyard.server.metrics import history as reading

    return reading.history(connection, series, after=after, limit=limit)


def history_many(
    connection: Connection, series: Sequence[SeriesId], *, limit: int, limit_each: int | None = None
) -> list[tuple[SeriesId, Points]]:
    """The beginnings of several histories, in the order of the series asked for.

    Args:
        connection: a snapshot.
        series: the series; those without points are left out.
        limit: the most points over all series; the later series get what the earlier leave.
        limit_each: the most points of one series.
    """
    from runyard.server.metrics import history as reading

    return reading.history_many(connection, series, limit=limit, limit_each=limit_each)
