"""Reading a series point by point, in the order (timestamp, step, value)."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.db import Connection
from runyard.server.metrics.chunk import LEAST, Chunk, chunks_beyond, chunks_upto, read_points
from runyard.server.metrics.columns import (
    Columns,
    count_upto,
    join,
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
    return _page(connection, series, live, after, limit)


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
    live = live_points(connection, {scope_of(one) for one in series})
    found = []
    for one in series:
        if limit <= 0:
            break
        most = limit if limit_each is None else min(limit, limit_each)
        page = _page(connection, one, live.get(scope_of(one)), None, most)
        if len(page.points):
            found.append((one, page.points))
            limit -= len(page.points)
    return found


def live_of(live: Columns | None, series: SeriesId) -> Points:
    """A series' points among the live points of its scope, in the order of the history, each once."""
    if live is None:
        return no_points()
    return sort_unique(live.points(live.keys == key_of(series)))


def _page(
    connection: Connection, series: SeriesId, live: Columns | None, after: Position | None, limit: int
) -> Page:
    # One more than asked for tells whether there is a next page.
    parts = _chunk_points(connection, series, after, limit + 1)
    waiting = live_of(live, series)
    if after is not None:
        waiting = take(waiting, slice(count_upto(waiting, after), None))
    points = sort_unique(join([*parts, take(waiting, slice(0, limit + 1))]))
    if len(points) <= limit:
        return Page(points, None)
    points = take(points, slice(0, limit))
    return Page(points, position_at(points, -1))


def _chunk_points(
    connection: Connection, series: SeriesId, after: Position | None, wanted: int
) -> list[Points]:
    """The points in chunks after a position: at least so many, or all that there are."""
    parts: list[Points] = []
    if after is None:
        after = LEAST
    else:
        for chunk, points in _read(connection, chunks_upto(connection, series, after, 1)):
            if chunk.last > after:
                parts.append(take(points, slice(count_upto(points, after), None)))
                wanted -= len(parts[-1])
    while wanted > 0:
        # A page's chunks are read at once; late points may have left some small.
        chunks = chunks_beyond(connection, series, after, _AT_ONCE)
        if not chunks:
            break
        needed = _enough(chunks, wanted)
        for _, points in _read(connection, needed):
            parts.append(points)
            wanted -= len(points)
        after = needed[-1].first
    return parts


_AT_ONCE = 64


def _enough(chunks: list[Chunk], wanted: int) -> list[Chunk]:
    for at, chunk in enumerate(chunks):
        wanted -= chunk.n
        if wanted <= 0:
            return chunks[: at + 1]
    return chunks


def _read(connection: Connection, chunks: list[Chunk]) -> list[tuple[Chunk, Points]]:
    found = read_points(connection, [chunk.id for chunk in chunks])
    return [(chunk, found[chunk.id]) for chunk in chunks]
