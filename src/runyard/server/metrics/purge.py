"""Deleting scopes."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.db import Transaction
from runyard.server.metrics.chunk import FULL, chunk_ids_of, delete_chunks
from runyard.server.metrics.log import delete_rows, rows_of_scopes
from runyard.server.metrics.pack import delete_packs, pack_sizes

_MOST_ROWS = 1_000
_CHUNK_POINTS = FULL


def delete_scopes(tx: Transaction, scopes: Sequence[int], points: int) -> bool:
    """Delete the points of scopes, to which nothing is appended any more.

    Args:
        tx: the transaction.
        scopes: the scopes.
        points: about how many to delete at most; some are deleted however few these are.

    Returns:
        Whether all is gone. Otherwise call again, in another transaction.
    """
    # In this order: a fold that is being written holds the log's rows and the pack, so that the chunks
    # are looked up after it.
    rows = rows_of_scopes(tx, scopes, _MOST_ROWS)
    taken, left = _first(rows, points)
    delete_rows(tx, taken)
    if len(taken) < len(rows) or len(rows) == _MOST_ROWS:
        return False
    packs = pack_sizes(tx, scopes)
    taken, left = _first(packs, left)
    delete_packs(tx, taken)
    if len(taken) < len(packs):
        return False
    most = max(1, left // _CHUNK_POINTS)
    ids = chunk_ids_of(tx, scopes, most + 1)
    delete_chunks(tx, ids[:most])
    return len(ids) <= most


def _first(found: Sequence[tuple[int, int]], points: int) -> tuple[list[int], int]:
    """The first of (id, points) up to a number of points, at least one; and what is left of it."""
    taken: list[int] = []
    for one, n in found:
        if taken and n > points:
            break
        taken.append(one)
        points -= n
    return taken, max(0, points)
