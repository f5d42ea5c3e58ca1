"""Deleting scopes."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.db import Transaction
from runyard.server.metrics.chunk import chunk_ids_of, delete_chunks
from runyard.server.metrics.log import delete_scopes_rows
from runyard.server.metrics.pack import delete_packs
from runyard.server.metrics.types import MAX_KEY, series_id

# About 30 MB: what a transaction may take and still be short.
_CHUNKS = 512


def delete_scopes(tx: Transaction, scopes: Sequence[int]) -> bool:
    """Delete the points of scopes, to which nothing is appended any more.

    Returns:
        Whether all is gone. Otherwise call again, in another transaction.
    """
    # In this order: a fold that is being written holds the log's rows and the pack, so that the chunks
    # are looked up after it.
    delete_scopes_rows(tx, scopes)
    delete_packs(tx, scopes)
    left = _CHUNKS
    for scope in scopes:
        ids = chunk_ids_of(tx, series_id(scope, 0), series_id(scope, MAX_KEY), left + 1)
        delete_chunks(tx, ids[:left])
        if len(ids) > left:
            return False
        left -= len(ids)
    return True
