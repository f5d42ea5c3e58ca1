"""Any search of any runs finds what it means, page by page, whichever way it is planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.server.db import Connection, Database, Row
from runyard.server.db.sorting import pack, unpack
from runyard.server.kernel.search import Node, OrderTerm, canonical, parse_filter
from runyard.server.tracking.store.columns import RUNS as SCHEMA
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.store.search import RunFinder, RunQuery, finder, stream
from runyard.server.tracking.types import View
from tests.contract.tracking.filters import FILTERS, ORDERS
from tests.contract.tracking.model import holds, in_order
from tests.contract.tracking.runs import RUNS, StoredRun, store

NEVER_MANY = NOWHERE = 10**9
# What makes the planner take each of its ways with a handful of runs.
WAYS: dict[str, dict[str, Any]] = {
    "sort all": {},
    "sort few": {"finder.SMALL": 0, "stream.FEW": NEVER_MANY},
    "walk": {"finder.SMALL": 0, "stream.FEW": -1, "stream.MANY": -1, "stream.LARGE": NEVER_MANY},
    "walk too long": {"finder.SMALL": 0, "stream.FEW": -1, "patience": 0},
    "sets": {"finder.SMALL": 0, "stream.FEW": -1, "stream.MANY": 2, "patience": 0},
    "large sets": {"finder.SMALL": 0, "stream.FEW": -1, "stream.MANY": -1, "patience": 0},
}


@contextmanager
def forced(way: str) -> Iterator[None]:
    """Lets the planner take one way."""
    modules = {"finder": finder, "stream": stream}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            if name == "patience":
                patch.setattr(stream.Stream, "_patience", _impatient(stream.Stream._patience))
            else:
                module, attribute = name.split(".")
                patch.setattr(modules[module], attribute, value)
        yield


def _impatient(patience: Callable[..., int | None]) -> Callable[..., int | None]:
    def limited(self: Any, *args: Any) -> int | None:
        return None if patience(self, *args) is None else 0

    return limited


@pytest.mark.parametrize("way", WAYS)
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(
    drawn=st.lists(RUNS, max_size=12),
    tree=FILTERS,
    order=ORDERS,
    view=st.sampled_from(View),
    size=st.integers(1, 5),
    everywhere=st.booleans(),
    trashed=st.sets(st.integers(0, 2), max_size=1) | st.just({0, 1, 2}),
)
def test_pages_are_what_the_search_means(
    database: Database,
    way: str,
    drawn: list[StoredRun],
    tree: Node | None,
    order: tuple[OrderTerm, ...],
    view: View,
    size: int,
    everywhere: bool,
    trashed: set[int],
) -> None:
    # Given
    keys = Keys()
    gone = {i for i, run in enumerate(drawn) if run.experiment in trashed}
    runs = database.write_from_thread(lambda tx: store(tx, keys, drawn, trashed))
    text = "" if tree is None else canonical(tree)
    assert parse_filter(text, SCHEMA) == tree
    experiments = (NOWHERE, *sorted({run.experiment for run in runs}))
    if not everywhere:
        experiments = experiments[-1:]
    # When
    query = RunQuery(experiments, tree, order, view, frozenset(runs[i].experiment for i in gone))
    with forced(way):
        found = _all_pages(database, RunFinder(database.dialect.name, keys), query, size)
    # Then
    there = [run for run in runs if run.experiment in experiments and run.lifecycle in view.lifecycles]
    wanted = [run for run in there if tree is None or holds(tree, run)]
    assert found == [run.id for run in in_order(wanted, order)], text


def _all_pages(database: Database, finder: RunFinder, query: RunQuery, size: int) -> list[int]:
    found: list[int] = []
    position = None
    while True:
        rows = database.read_here(lambda c, at=position: _find(c, finder, query, at, size))  # type: ignore[misc]
        found += [row[-1] for row in rows]
        if len(rows) < size:
            return found
        position = query.form.checked(unpack(pack(rows[-1]), len(rows[-1])))


def _find(
    connection: Connection, finder: RunFinder, query: RunQuery, position: list[Any] | None, size: int
) -> list[Row]:
    with connection.searching(seconds=60):
        return finder.find(connection, query, position, size)
