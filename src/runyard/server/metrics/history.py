"""Reading a series point by point, in the order (timestamp, step, value)."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.db import Connection
from runyard.server.metrics.columns import (
    count_upto,
    no_points,
    position_at,
    sort_unique,
    take,
)
from runyard.server.metrics.live import live_points
from runyard.server.metrics.types import Page, Points, Position, SeriesId, key_of, scope_of


def history(connection: Connection, series: SeriesId, *, after: Position | None, limit: int) -> Page:
    """A page of a series' history; each point once.

    Args:
        connection: a snapshot.
        series: the series; an unknown one is empty.
        after: where the page before ended (`Page.next`); None for the first page.
        limit: the most points to return, at least 1.
    """
    live = live_points(connection, [scope_of(series)]).get(scope_of(series))
    points = no_points()
    if live is not None:
        points = sort_unique(live.points(live.keys == key_of(series)))
    if after is not None:
        points = take(points, slice(count_upto(points, after), None))
    if len(points) <= limit:
        return Page(points, None)
    points = take(points, slice(0, limit))
    return Page(points, position_at(points, -1))


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
    found = []
    for one in series:
        if limit <= 0:
            break
        page = history(connection, one, after=None, limit=min(limit, limit_each or limit))
        if len(page.points):
            found.append((one, page.points))
            limit -= len(page.points)
    return found
