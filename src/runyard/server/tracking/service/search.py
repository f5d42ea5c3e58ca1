"""Searching runs."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from runyard.server.auth import Principal
from runyard.server.db import Connection, Database, Row
from runyard.server.db.sorting import pack, unpack
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.kernel.search import Node, OrderTerm, parse_filter, parse_order_by
from runyard.server.tracking.store import runs, search
from runyard.server.tracking.store.columns import RUNS
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Page, Run, View

MAX_EXPERIMENTS = 10_000


class RunSearch:
    """Finds runs by a filter, in an order, page by page.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def search(
        self,
        principal: Principal,
        *,
        experiment_ids: Sequence[int],
        filter_text: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
    ) -> Page[Run]:
        """A page of whole runs.

        Args:
            principal: who asks.
            experiment_ids: where to look; those that don't exist are passed over.
            filter_text: a filter in the search language; empty for all.
            order_by: clauses; runs that compare equal come newest first.
            view: which lifecycles.
            limit: the page's size.
            token: where the page starts.
        """
        del principal
        if len(experiment_ids) > MAX_EXPERIMENTS:
            raise InvalidArgument(
                f"A search can take at most {MAX_EXPERIMENTS:,} experiments; this one has {len(experiment_ids):,}.",
                field="experiment_ids",
            )
        tree = parse_filter(filter_text, RUNS, field="filter") if filter_text.strip() else None
        order = parse_order_by(order_by, RUNS)
        position = None
        if token is not None:
            position = unpack(decode_token("runs", token), search.key_count(order))

        def read(connection: Connection) -> Page[Run]:
            rows = _find(connection, self._keys, tree, order, experiment_ids, view, limit + 1, position)
            found = runs.load_by_id(connection, self._keys, [row[-1] for row in rows[:limit]])
            more = len(rows) > limit
            return Page(found, encode_token("runs", pack(rows[limit - 1])) if more else None)

        return await self._database.read(read)


def _find(
    connection: Connection,
    keys: Keys,
    tree: Node | None,
    order: tuple[OrderTerm, ...],
    experiments: Sequence[int],
    view: View,
    limit: int,
    position: Sequence[Any] | None,
) -> list[Row]:
    """Sort keys of the page's rows; the last key is the run's surrogate id."""
    ids = keys.find(connection, search.fields_of(tree, order))
    plan = search.plan(connection.dialect.name, tree, order, ids)
    pages = [
        search.page(connection, plan, experiment, lifecycle, position, limit)
        for experiment, lifecycle in search.streams(experiments, view.lifecycles)
    ]
    if len(pages) == 1:
        return pages[0]
    ascending = search.directions(order)
    merged = heapq.merge(*pages, key=cmp_to_key(lambda a, b: _compare(a, b, ascending)))
    return [row for row, _ in zip(merged, range(limit), strict=False)]


def _compare(a: Row, b: Row, ascending: Sequence[bool]) -> int:
    for left, right, up in zip(a, b, ascending, strict=True):
        if left != right and left is not None and right is not None:
            return -1 if (left < right) == up else 1
    return 0
