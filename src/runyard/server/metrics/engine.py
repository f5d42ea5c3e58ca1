"""What the slices above use. It knows series and scopes, never runs.

Reading needs numpy, which a start must not wait for: the modules that use it are imported by the first
call that needs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runyard.server.db import Connection, Transaction
from runyard.server.metrics.log import append
from runyard.server.metrics.summary import merge, summarize
from runyard.server.metrics.types import Axis, Page, Points, Position, SeriesChart, SeriesId

__all__ = [
    "append",
    "chart",
    "delete_scopes",
    "history",
    "history_many",
    "merge",
    "prepare_deleting",
    "sample",
    "summarize",
]


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


def sample(
    connection: Connection,
    series: SeriesId,
    *,
    count: int,
    min_step: int | None = None,
    max_step: int | None = None,
) -> Points:
    """At most `count` points of a series, evenly spaced, in the order (step, timestamp, value).

    All points in the range of steps, if they are not more; else the first of each of `count` equal parts
    of them, and the last point in place of the last of these.

    Args:
        connection: a snapshot.
        series: the series; an unknown one is empty.
        count: at least 1.
        min_step: where the range starts; None for the series' start.
        max_step: where the range ends, included; None for the series' end.
    """
    from runyard.server.metrics import sample as sampling

    return sampling.sample(connection, series, count=count, min_step=min_step, max_step=max_step)


def chart(
    connection: Connection,
    series: Sequence[SeriesId],
    *,
    axis: Axis,
    buckets: int,
    x_min: int | None = None,
    x_max: int | None = None,
    origins: Mapping[SeriesId, int] | None = None,
) -> list[SeriesChart]:
    """Series between two coordinates, reduced to at most `buckets` buckets each.

    Args:
        connection: a snapshot.
        series: the series.
        axis: "step"; "time", in milliseconds since the Unix epoch; or "relative", in milliseconds since
            the series' origin.
        buckets: the most buckets per series, at least 1.
        x_min: the first coordinate of the view; None for the series' own first.
        x_max: the last coordinate of the view; None for the series' own last.
        origins: for "relative", the origins as timestamps; a series without one starts at its first point.

    Returns:
        One entry per series, in the order given; see `metrics.chart` for how exact it is.
    """
    from runyard.server.metrics import chart as charting

    return charting.chart(
        connection, series, axis=axis, buckets=buckets, x_min=x_min, x_max=x_max, origins=origins
    )


def prepare_deleting() -> None:
    """Load what deleting needs, so that no transaction waits for it."""
    from runyard.server.metrics import purge

    assert purge  # noqa: S101 - loaded


def delete_scopes(tx: Transaction, scopes: Sequence[int], points: int = 500_000) -> bool:
    """Delete the points of scopes, to which nothing is appended any more.

    Args:
        tx: the transaction.
        scopes: the scopes.
        points: about how many to delete at most, so that the transaction is short.

    Returns:
        Whether all is gone. Otherwise call again, in another transaction.
    """
    from runyard.server.metrics import purge

    return purge.delete_scopes(tx, scopes, points)
