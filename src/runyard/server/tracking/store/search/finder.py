"""Finds a page of runs over all the experiments and lifecycles asked for."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import islice
from typing import Any

from runyard.server.db import Connection, Row
from runyard.server.db.search_forms import AllOf
from runyard.server.kernel.search import And, Condition, Entity, Node, Not, Or, OrderTerm
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.store.search.order import Order, order_of
from runyard.server.tracking.store.search.reading import Ordering, Reading
from runyard.server.tracking.store.search.statements import Statements
from runyard.server.tracking.store.search.stream import MANY, Stream, Wanted
from runyard.server.tracking.types import Lifecycle, View

SMALL = 500
"""Experiments with at most so many runs are searched together, by sorting all their runs."""
LEAST_ASKED = 20
"""Runs that are asked of one of many experiments at a time, at least."""

_KEYED = frozenset({Entity.METRIC, Entity.PARAM, Entity.TAG})


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A search of runs, checked.

    Attributes:
        experiments: where to look; those that don't exist are passed over.
        tree: the filter; None for all.
        order: the terms; runs that compare equal come newest first.
        view: which lifecycles.
        trashed: those of the experiments that are in the trash, and all their runs with them.
    """

    experiments: tuple[int, ...]
    tree: Node | None
    order: tuple[OrderTerm, ...]
    view: View
    trashed: frozenset[int] = field(default=frozenset())

    @property
    def form(self) -> Order:
        """The order's form, which positions belong to."""
        return order_of(self.order)

    def lifecycles_of(self, experiment: int) -> list[int]:
        """Which of an experiment's runs are wanted, by what the runs themselves say."""
        there = Lifecycle.DELETED if experiment in self.trashed else Lifecycle.ACTIVE
        return self.view.lifecycles_in(there)


class RunFinder:
    """Finds runs; to load them is left to others.

    Args:
        dialect: `sqlite` or `postgresql`.
        keys: the interned names.
    """

    def __init__(self, dialect: str, keys: Keys) -> None:
        self._keys = keys
        self._statements = Statements(dialect)

    def find(
        self, connection: Connection, query: RunQuery, position: Sequence[Any] | None, limit: int
    ) -> list[Row]:
        """The first runs behind a position: for each its sort keys, the last of which is its surrogate id.

        Args:
            connection: a snapshot.
            query: what is wanted.
            position: the sort keys of the run before (`Order.checked`); None to begin at the start.
            limit: how many.
        """
        ids = self._keys.find(connection, _keys_of(query))
        reading = Reading(connection, self._statements, ids)
        form = query.form
        ordering = Ordering(form, tuple([term.field for term in query.order[: len(form.terms)]]))
        whole = None if query.tree is None else reading.form(query.tree)
        wanted = Wanted(() if whole is None else whole.terms if isinstance(whole, AllOf) else (whole,))
        streams = _streams(reading, query)
        if len(streams) == 1:
            return streams[0].page(wanted, ordering, position, limit)
        asked = min(limit, max(LEAST_ASKED, 2 * limit // max(1, len(streams))))
        pages = [_rows(stream, wanted, ordering, position, asked) for stream in streams]
        return list(islice(heapq.merge(*pages, key=cmp_to_key(form.compare)), limit))


def _streams(reading: Reading, query: RunQuery) -> list[Stream]:
    experiments = list(dict.fromkeys(query.experiments))
    if len(experiments) == 1 and query.tree is None and not query.order:
        # The listing's own index gives the page, however many runs there are.
        return [Stream(reading, experiments, each, few=False) for each in query.lifecycles_of(experiments[0])]
    found: list[Stream] = []
    for lifecycle in View.ALL.lifecycles:
        here = [one for one in experiments if lifecycle in query.lifecycles_of(one)]
        sizes = reading.sizes(here, lifecycle, SMALL + 1) if here else ()
        large = [experiment for experiment, size in sizes if size > SMALL]
        found += [Stream(reading, [experiment], lifecycle, few=False) for experiment in large]
        small = [(experiment, size) for experiment, size in sizes if 0 < size <= SMALL]
        found += [Stream(reading, group, lifecycle, few=True) for group in _groups(small)]
    return found


def _groups(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Experiments in groups that have few runs each."""
    group: list[int] = []
    total = 0
    for experiment, size in sizes:
        if group and total + size > MANY:
            yield group
            group, total = [], 0
        group.append(experiment)
        total += size
    if group:
        yield group


def _rows(
    stream: Stream, wanted: Wanted, ordering: Ordering, position: Sequence[Any] | None, asked: int
) -> Iterator[Row]:
    """All rows of a stream, read when they are needed."""
    while True:
        rows = stream.page(wanted, ordering, position, asked)
        yield from rows
        if len(rows) < asked:
            return
        position = rows[-1]
        asked *= 2


def _keys_of(query: RunQuery) -> set[str]:
    """The keys of metrics, params and tags that a search names."""
    fields = [term.field for term in query.order]
    stack = [] if query.tree is None else [query.tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Condition):
            fields.append(node.field)
        elif isinstance(node, Not):
            stack.append(node.term)
        elif isinstance(node, And | Or):
            stack.extend(node.terms)
    return {field.key for field in fields if field.entity in _KEYED}
