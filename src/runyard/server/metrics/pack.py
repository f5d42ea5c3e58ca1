"""Packs: the points of many short series of a scope in one blob, ordered by key and history.

A byte for the format (1), u32 the number of series, u32 the number of points, then columns: the keys, the
points of each, then of all points the steps, the timestamps and the values (see `codec`).
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from sqlalchemy import bindparam, delete, insert, select, update

from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.metrics.codec import Reader, encode_floats, encode_ints
from runyard.server.metrics.columns import Columns, no_columns, starts_of
from runyard.server.metrics.tables import metric_pack

_FORMAT = 1
_HEAD = struct.Struct("<BII")


def encode_pack(columns: Columns) -> bytes:
    """Points as a blob. They stand in the order (key, timestamp, step, value), each once."""
    if not len(columns):
        return _HEAD.pack(_FORMAT, 0, 0)
    starts = starts_of(columns.keys)
    return b"".join(
        (
            _HEAD.pack(_FORMAT, len(starts), len(columns)),
            encode_ints(columns.keys[starts]),
            encode_ints(np.diff(starts, append=len(columns))),
            encode_ints(columns.steps),
            encode_ints(columns.timestamps),
            encode_floats(columns.values),
        )
    )


def decode_pack(blob: bytes) -> Columns:
    """The points of a blob."""
    reader = Reader(blob)
    version, series, n = reader.unpack(_HEAD)
    if version != _FORMAT:
        raise ValueError(f"a pack has format {version}, which this version of Runyard doesn't know")
    if not n:
        return no_columns()
    keys = np.repeat(reader.ints(series), reader.ints(series))
    steps = reader.ints(n)
    times = reader.ints(n)
    return Columns(keys, times, steps, reader.floats(n))


class Pack(NamedTuple):
    """A stored pack; `version` counts the folds of its scope."""

    version: int
    columns: Columns


_BLOBS = Query(
    select(metric_pack.c.scope, metric_pack.c.data).where(
        in_list(metric_pack.c.scope, "scopes"), metric_pack.c.n > 0
    )
)
_READ = Query(
    select(metric_pack.c.version, metric_pack.c.data).where(metric_pack.c.scope == bindparam("scope"))
)
_LOCK = Query(
    select(metric_pack.c.version).where(metric_pack.c.scope == bindparam("scope")).with_for_update()
)
_INSERT = Query(
    insert(metric_pack).values({name: bindparam(name) for name in ("scope", "version", "n", "data")})
)
_UPDATE = Query(
    update(metric_pack)
    .where(metric_pack.c.scope == bindparam("in_scope"))
    .values(version=metric_pack.c.version + 1, n=bindparam("n"), data=bindparam("data"))
)
_SIZES = Query(select(metric_pack.c.scope, metric_pack.c.n).where(in_list(metric_pack.c.scope, "scopes")))
_DELETE = Query(delete(metric_pack).where(in_list(metric_pack.c.scope, "scopes")))


def read_pack(connection: Connection, scope: int) -> Pack | None:
    """The pack of a scope; None while it was never folded."""
    row = connection.row(_READ, scope=scope)
    return None if row is None else Pack(row[0], decode_pack(row[1]))


def pack_blobs(connection: Connection, scopes: Collection[int]) -> list[tuple[int, bytes]]:
    """The scopes among some that have points in a pack, each with its blob."""
    return connection.rows(_BLOBS, scopes=sorted(scopes))


def lock_version(tx: Transaction, scope: int) -> int | None:
    """The version of a scope's pack, kept from changing until the transaction ends."""
    version: int | None = tx.value(_LOCK, scope=scope)
    return version


def write_pack(tx: Transaction, scope: int, version: int | None, n: int, data: bytes) -> None:
    """Replace a scope's pack, whose version was checked; None for a scope without one."""
    if version is None:
        tx.execute(_INSERT, scope=scope, version=1, n=n, data=data)
    else:
        tx.execute(_UPDATE, in_scope=scope, n=n, data=data)


def pack_sizes(connection: Connection, scopes: Collection[int]) -> list[tuple[int, int]]:
    """The scopes among some that have a pack, each with the points in it."""
    return connection.rows(_SIZES, scopes=sorted(scopes))


def delete_packs(tx: Transaction, scopes: Collection[int]) -> None:
    """Delete the packs of some scopes."""
    tx.execute(_DELETE, scopes=sorted(scopes))
