"""Chunks: runs of one series' history, encoded, each a row.

The points' blob: a byte for the format (1), u32 the number of points, then the columns of the steps, the
timestamps and the values (see `codec`).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import bindparam, delete, func, insert, select, text, tuple_
from sqlalchemy.sql.base import Executable

from runyard.server.db import Connection, Dialect, Query, Transaction, in_list
from runyard.server.metrics.codec import Reader, encode_floats, encode_ints
from runyard.server.metrics.columns import rank_of, take
from runyard.server.metrics.sketch import encode_sketch
from runyard.server.metrics.tables import metric_chunk
from runyard.server.metrics.types import MAX_KEY, Points, Position, SeriesId, series_id

FULL = 8_192
"""Points of a full chunk. Only the last ones of a series have fewer, or where late points came."""

_FORMAT = 1
_HEAD = struct.Struct("<BI")


class Chunk(NamedTuple):
    """A stored chunk without its content."""

    id: int
    series: SeriesId
    n: int
    first: Position
    last: Position


class SketchedChunk(NamedTuple):
    """A stored chunk with its sketch."""

    id: int
    series: SeriesId
    n: int
    last_timestamp: int
    last_step: int
    last_rank: int
    sketch: bytes

    @property
    def last(self) -> Position:
        """Where the chunk ends."""
        return Position(self.last_timestamp, self.last_step, self.last_rank)


class SteppedChunk(NamedTuple):
    """A stored chunk with its range of steps."""

    id: int
    n: int
    min_step: int
    max_step: int


class NewChunk(NamedTuple):
    """A chunk to be written, in the order of the table's columns."""

    series: SeriesId
    n: int
    first_timestamp: int
    first_step: int
    first_rank: int
    last_timestamp: int
    last_step: int
    last_rank: int
    min_step: int
    max_step: int
    sketch: bytes
    points: bytes


def encode_chunk(series: SeriesId, points: Points) -> NewChunk:
    """A chunk of some points, which stand in the order of the history, each once."""
    times, steps = points.timestamps, points.steps
    ranks = rank_of(points.values[[0, -1]])
    return NewChunk(
        series,
        len(points),
        int(times[0]),
        int(steps[0]),
        int(ranks[0]),
        int(times[-1]),
        int(steps[-1]),
        int(ranks[1]),
        int(steps.min()),
        int(steps.max()),
        encode_sketch(points),
        encode_points(points),
    )


def encode_points(points: Points) -> bytes:
    """Points as a blob."""
    return b"".join(
        (
            _HEAD.pack(_FORMAT, len(points)),
            encode_ints(points.steps),
            encode_ints(points.timestamps),
            encode_floats(points.values),
        )
    )


def decode_points(blob: bytes) -> Points:
    """The points of a blob."""
    reader = Reader(blob)
    version, n = reader.unpack(_HEAD)
    if version != _FORMAT:
        raise ValueError(f"a chunk has format {version}, which this version of Runyard doesn't know")
    steps = reader.ints(n)
    times = reader.ints(n)
    return Points(times, steps, reader.floats(n))


def cut(series: SeriesId, points: Points, full: int = FULL) -> list[NewChunk]:
    """Chunks of some points: full ones and a rest."""
    return [
        encode_chunk(series, take(points, slice(start, start + full)))
        for start in range(0, len(points), full)
    ]


def cut_evenly(series: SeriesId, points: Points, full: int = FULL) -> list[NewChunk]:
    """Chunks of some points, about equal in size, none larger than a full one."""
    edges = np.linspace(0, len(points), -(-len(points) // full) + 1).astype(int).tolist()
    return [encode_chunk(series, take(points, slice(start, end))) for start, end in pairwise(edges)]


_META = (
    metric_chunk.c.id,
    metric_chunk.c.series,
    metric_chunk.c.n,
    metric_chunk.c.first_timestamp,
    metric_chunk.c.first_step,
    metric_chunk.c.first_rank,
    metric_chunk.c.last_timestamp,
    metric_chunk.c.last_step,
    metric_chunk.c.last_rank,
)
_FIRST = (metric_chunk.c.first_timestamp, metric_chunk.c.first_step, metric_chunk.c.first_rank)
_OF_SERIES = metric_chunk.c.series == bindparam("series")


def _position(name: str) -> Any:
    kind = metric_chunk.c.first_timestamp.type
    return tuple_(*(bindparam(f"{name}_{part}", type_=kind) for part in Position._fields))


_UPTO = Query(
    select(*_META)
    .where(_OF_SERIES, tuple_(*_FIRST) <= _position("upto"))
    .order_by(*(column.desc() for column in _FIRST))
    .limit(bindparam("limit"))
)
_BEYOND = Query(
    select(*_META)
    .where(_OF_SERIES, tuple_(*_FIRST) > _position("after"))
    .order_by(*_FIRST)
    .limit(bindparam("limit"))
)
_POINTS = Query(select(metric_chunk.c.id, metric_chunk.c.points).where(in_list(metric_chunk.c.id, "ids")))
_SKETCHES = Query(select(metric_chunk.c.id, metric_chunk.c.sketch).where(_OF_SERIES).order_by(*_FIRST))
_IN_LIST = in_list(metric_chunk.c.series, "series")
_SKETCHED = select(
    metric_chunk.c.id,
    metric_chunk.c.series,
    metric_chunk.c.n,
    metric_chunk.c.last_timestamp,
    metric_chunk.c.last_step,
    metric_chunk.c.last_rank,
    metric_chunk.c.sketch,
).order_by(metric_chunk.c.series, *_FIRST)
_BETWEEN = {
    "step": Query(
        _SKETCHED.where(
            _IN_LIST,
            metric_chunk.c.max_step >= bindparam("low"),
            metric_chunk.c.min_step <= bindparam("high"),
        )
    ),
    "time": Query(
        _SKETCHED.where(
            _IN_LIST,
            metric_chunk.c.last_timestamp >= bindparam("low"),
            metric_chunk.c.first_timestamp <= bindparam("high"),
        )
    ),
}
_STEPPED = Query(
    select(metric_chunk.c.id, metric_chunk.c.n, metric_chunk.c.min_step, metric_chunk.c.max_step)
    .where(
        _OF_SERIES,
        metric_chunk.c.max_step >= bindparam("low"),
        metric_chunk.c.min_step <= bindparam("high"),
    )
    .order_by(*_FIRST)
)
_FIRST_TIMES = Query(
    select(metric_chunk.c.series, func.min(metric_chunk.c.first_timestamp))
    .where(_IN_LIST)
    .group_by(metric_chunk.c.series)
)
_DELETE = Query(delete(metric_chunk).where(in_list(metric_chunk.c.id, "ids")))


def _ids(dialect: Dialect) -> Executable:
    """Chunks of a list of scopes, whose series are ranges of numbers, by one look-up per scope."""
    scopes = {
        "sqlite": "json_each(:lows) AS low",
        "postgresql": "unnest(CAST(:lows AS bigint[])) AS low(value)",
    }[dialect.name]
    return text(
        f"SELECT chunk.id FROM {scopes} CROSS JOIN metric_chunk AS chunk"
        f" WHERE chunk.series >= low.value AND chunk.series <= low.value + {MAX_KEY} LIMIT :limit"
    )


_IDS = Query(_ids)
_INSERT = Query(insert(metric_chunk).values({name: bindparam(name) for name in NewChunk._fields}))


def _newest(dialect: Dialect) -> Executable:
    """The last chunk of each series in a list, by one look-up in the index per series."""
    series = {
        "sqlite": "json_each(:series) AS wanted",
        "postgresql": "unnest(CAST(:series AS bigint[])) AS wanted(value)",
    }[dialect.name]
    return text(
        f"SELECT {', '.join(f'chunk.{column.name}' for column in _META)} FROM {series}"
        " JOIN metric_chunk AS chunk ON chunk.id = (SELECT newest.id FROM metric_chunk AS newest"
        " WHERE newest.series = wanted.value"
        " ORDER BY newest.first_timestamp DESC, newest.first_step DESC, newest.first_rank DESC LIMIT 1)"
    )


_NEWEST = Query(_newest)

GREATEST = Position(2**63 - 1, 2**63 - 1, 2**63 - 1)
LEAST = Position(-(2**63), -(2**63), -(2**63))


def chunks_upto(connection: Connection, series: SeriesId, upto: Position, limit: int) -> list[Chunk]:
    """The chunks that start at or before a position, from there backwards."""
    rows = connection.rows(_UPTO, series=series, limit=limit, **_params("upto", upto))
    return [_chunk(row) for row in rows]


def chunks_beyond(connection: Connection, series: SeriesId, after: Position, limit: int) -> list[Chunk]:
    """The chunks that start after a position, from there onwards."""
    rows = connection.rows(_BEYOND, series=series, limit=limit, **_params("after", after))
    return [_chunk(row) for row in rows]


def newest_chunks(connection: Connection, series: Sequence[SeriesId]) -> dict[SeriesId, Chunk]:
    """The last chunk of each of some series; a series without any is absent."""
    rows = connection.rows(_NEWEST, series=list(series))
    return {chunk.series: chunk for chunk in map(_chunk, rows)}


def read_points(connection: Connection, ids: Iterable[int]) -> dict[int, Points]:
    """The points of some chunks by their ids."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    return {row[0]: decode_points(row[1]) for row in connection.rows(_POINTS, ids=wanted)}


def read_sketches(connection: Connection, series: SeriesId) -> list[tuple[int, bytes]]:
    """The ids and sketches of all chunks of a series, in the order of the history."""
    return connection.rows(_SKETCHES, series=series)


def read_sketched(
    connection: Connection,
    series: Sequence[SeriesId],
    along: Literal["step", "time"],
    low: int,
    high: int,
) -> list[SketchedChunk]:
    """The chunks of some series that have points between two steps or timestamps, perhaps.

    They come by series and in the order of the history.
    """
    rows = connection.rows(_BETWEEN[along], series=list(series), low=low, high=high)
    return list(map(SketchedChunk._make, rows))


def read_stepped(connection: Connection, series: SeriesId, low: int, high: int) -> list[SteppedChunk]:
    """The chunks of a series that have points between two steps, perhaps, in the order of the history."""
    rows = connection.rows(_STEPPED, series=series, low=low, high=high)
    return list(map(SteppedChunk._make, rows))


def first_times(connection: Connection, series: Sequence[SeriesId]) -> dict[SeriesId, int]:
    """The first timestamps in the chunks of some series; a series without any is absent."""
    return dict(connection.rows(_FIRST_TIMES, series=list(series)))


def insert_chunks(tx: Transaction, chunks: Sequence[NewChunk]) -> None:
    """Write chunks, in the order of their series and history."""
    tx.execute_rows(_INSERT, chunks)


def delete_chunks(tx: Transaction, ids: Collection[int]) -> None:
    """Delete chunks by their ids."""
    if ids:
        tx.execute(_DELETE, ids=sorted(ids))


def chunk_ids_of(connection: Connection, scopes: Collection[int], limit: int) -> list[int]:
    """Some ids of chunks of some scopes."""
    lows = [series_id(scope, 0) for scope in sorted(scopes)]
    return [row[0] for row in connection.rows(_IDS, lows=lows, limit=limit)]


def _chunk(row: Any) -> Chunk:
    return Chunk(row[0], row[1], row[2], Position(*row[3:6]), Position(*row[6:9]))


def _params(name: str, position: Position) -> dict[str, int]:
    return {f"{name}_{part}": value for part, value in zip(Position._fields, position, strict=True)}
