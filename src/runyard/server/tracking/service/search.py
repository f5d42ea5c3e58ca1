"""Searching runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from runyard.server.auth import Permission, Principal
from runyard.server.db import Connection, Database, OutOfTime, Row
from runyard.server.db.database import READER_THREADS
from runyard.server.db.sorting import pack, token_kind, unpack
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.kernel.search import (
    And,
    Comparison,
    Entity,
    Field,
    Node,
    Operator,
    Or,
    parse_filter,
    parse_order_by,
)
from runyard.server.tracking import rules
from runyard.server.tracking.service.access import visible
from runyard.server.tracking.store import runs
from runyard.server.tracking.store.columns import RUNS
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.store.search import RunFinder, RunQuery
from runyard.server.tracking.types import Lifecycle, Page, Run, View

T = TypeVar("T")

MAX_EXPERIMENTS = 10_000
MAX_SECONDS = 30
"""How long a search may take."""


class RunSearch:
    """Finds runs by a filter, in an order, page by page.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._finder = RunFinder(database.dialect.name, keys)
        # Two threads stay free for whoever doesn't search.
        self._turns = asyncio.Semaphore(READER_THREADS - 2)

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
        return await self.page(
            principal,
            experiment_ids=experiment_ids,
            filter_text=filter_text,
            order_by=order_by,
            view=view,
            limit=limit,
            token=token,
            load=lambda connection, ids: runs.load_by_id(connection, self._keys, ids),
        )

    async def page(
        self,
        principal: Principal,
        *,
        experiment_ids: Sequence[int],
        filter_text: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
        load: Callable[[Connection, list[int]], list[T]],
    ) -> Page[T]:
        """A page of what `load` makes of the runs' surrogate ids; the rest as in `search`."""
        count = len(experiment_ids)
        if count > MAX_EXPERIMENTS:
            raise InvalidArgument(
                f"A search can take at most {MAX_EXPERIMENTS:,} experiments; this one has {count:,}.",
                field="experiment_ids",
            )
        order = parse_order_by(order_by, RUNS)
        tree = within_scope(principal, parse_filter(filter_text, RUNS))
        asked = RunQuery((), tree, order, view)
        kind = token_kind("runs", order)
        position = None
        if token is not None:
            packed = decode_token(kind, token)
            position = asked.form.checked(unpack(packed, len(packed)))

        def read(connection: Connection) -> Page[T]:
            there = visible(connection, principal, experiment_ids, Permission.RUN_READ)
            trashed = frozenset(one for one, stage in there.items() if stage is not Lifecycle.ACTIVE)
            query = replace(asked, experiments=tuple(there), trashed=trashed)
            rows = self._find(connection, query, position, limit + 1)
            found = load(connection, [row[-1] for row in rows[:limit]])
            return Page(found, encode_token(kind, pack(rows[limit - 1])) if len(rows) > limit else None)

        async with self._turns:
            return await self._database.read(read)

    def _find(
        self, connection: Connection, query: RunQuery, position: Sequence[object] | None, limit: int
    ) -> list[Row]:
        try:
            with connection.searching(MAX_SECONDS):
                return self._finder.find(connection, query, position, limit)
        except OutOfTime as error:
            raise InvalidArgument(
                f"The search took longer than {MAX_SECONDS} seconds and was stopped. Use fewer conditions, "
                "or add one that few runs meet, such as a param's value or a range of start_time.",
                field="filter",
            ) from error


def within_scope(principal: Principal, tree: Node | None) -> Node | None:
    """A filter of runs for a credential that is for one run: it finds that one and its children."""
    scope = principal.access.scope
    if scope is None:
        return tree
    own = Comparison(Field(Entity.ATTRIBUTE, "run_id"), Operator.EQ, scope.run)
    child = Comparison(Field(Entity.TAG, rules.PARENT_TAG), Operator.EQ, scope.run)
    reached = Or((own, child))
    if tree is None:
        return reached
    return And((reached, *(tree.terms if isinstance(tree, And) else (tree,))))
