"""The points of scopes that stand in no chunk: those of the log and of the packs."""

from __future__ import annotations

from collections.abc import Collection

from runyard.server.db import Connection
from runyard.server.metrics.batchlog import decode
from runyard.server.metrics.columns import Columns, join_columns
from runyard.server.metrics.log import blobs_of_scopes
from runyard.server.metrics.pack import decode_pack, pack_blobs


def live_points(connection: Connection, scopes: Collection[int]) -> dict[int, Columns]:
    """The points of each scope that has any, in no particular order; the log may repeat some."""
    parts = {scope: [decode_pack(blob)] for scope, blob in pack_blobs(connection, scopes)}
    for scope, rows in blobs_of_scopes(connection, scopes).items():
        parts.setdefault(scope, []).append(decode(rows))
    return {scope: join_columns(found) for scope, found in parts.items()}
