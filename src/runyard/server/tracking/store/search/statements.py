"""SQL of searches of runs: statements by the form of what is asked, compiled once for each form.

Their parameters: `experiment` or `experiments`, `lifecycle`, `limit`; `c0`, `c1`, ... the constants of the
filter; `k0`, ... the key of each term of the order; `p0`, ... a position; `after` a value of the first
term; `ids` and `chosen` runs.

SQLite has no statistics of its data: each statement says which index it walks and how it joins.
PostgreSQL's say little of one key's values: it is told by settings (`Connection.searching`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    select,
    union_all,
)
from sqlalchemy import literal_column as constant
from sqlalchemy.types import TypeEngine

from runyard.server.db import Query, in_list, indexed, is_member, nested
from runyard.server.db.search_forms import Form, Leaf, Test
from runyard.server.db.search_sql import Conditions, Where
from runyard.server.db.sorting import SortKey, after
from runyard.server.kernel.search import Entity
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.columns import RUN_TARGET, dataset_column
from runyard.server.tracking.store.search.order import NAN, Order, Term

MAX_CACHED = 1000

_r = t.run.c
_VALUE_INDEX = {
    Entity.METRIC: "ix_run_metric_value",
    Entity.PARAM: "ix_run_param_value",
    Entity.TAG: "ix_run_tag_value",
}
_LISTING = "INDEXED BY ix_run_listing"
_FOUND_BY_INDEX = {
    "run_id": frozenset({Test.EQ, Test.AMONG}),
    "run_name": frozenset({Test.EQ, Test.AMONG, Test.LIKE}),
    "start_time": frozenset({Test.EQ, Test.GT, Test.GE, Test.LT, Test.LE, Test.BETWEEN, Test.AMONG}),
}

Source = Literal["experiment", "experiments", "ids"] | tuple[Leaf, ...]
"""Where the runs of a page come from: an experiment, several, a list, or what indexes give for conditions."""

Start = Literal["all", "at", "after"]
"""Where a walk begins: where all begin, at a value, behind it."""

Given = tuple[bool, ...] | None
"""For each sort key of a position whether it has a value; None where there is no position."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs: those that meet all forms and, where `chosen` says so, are in the set of that name."""

    forms: tuple[Form, ...]
    chosen: bool = False


class Statements:
    """The statements of one database system.

    Args:
        dialect: `sqlite` or `postgresql`.
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self.cuts_texts = dialect == "postgresql"
        self._conditions = Conditions(RUN_TARGET, dialect)
        self._cached: dict[Hashable, Query] = {}

    def sizes(self) -> Query:
        """How many runs each of `experiments` has in a lifecycle, counted up to `limit`."""
        return self._query(self._sizes)

    def page(self, source: Source, wanted: Filter, order: Order, given: Given) -> Query:
        """The sort keys of the first runs behind a position.

        Those of one experiment come without a sort when the order has no terms.
        """
        return self._query(self._page, source, wanted, order, given)

    def by_value(self, wanted: Filter, order: Order, *, start: Start, exact: bool) -> Query:
        """The first runs of an experiment by the value of the order's first term, with all sort keys but
        its rank; which of those with the last value come is left open.

        Walks the index of the term, else looks at all runs that have a value.

        Args:
            wanted: what they must meet.
            order: the order, of one term at least.
            start: where to begin; `after` is the value.
            exact: False to order texts by what the index holds of them, where it `cuts_texts`; this is
                right when none in the answer is longer.
        """
        return self._query(self._by_value, wanted, order, start, exact)

    def count(self, leaf: Leaf) -> Query:
        """How many entries of an index a condition has to look at, counted up to `limit`."""
        return self._query(self._count, leaf)

    def ids(self, leaf: Leaf | None) -> Query:
        """The ids of the runs that meet a condition, or of all of an experiment in a lifecycle: one text,
        with commas. Those of a condition may also be of other experiments or lifecycles.

        Row by row the thread would hold the interpreter's lock nearly all the time.
        """
        return self._query(self._ids, leaf)

    def is_source(self, leaf: Leaf) -> bool:
        """Whether an index gives the runs that a condition is about, without looking at all runs."""
        if leaf.missing:
            return False
        if leaf.keyed:
            return leaf.known
        if leaf.entity is not Entity.ATTRIBUTE:
            return True
        if leaf.negated or (leaf.test is Test.LIKE and leaf.count == 1):
            return False
        return leaf.test in _FOUND_BY_INDEX.get(leaf.name, ())

    def is_ordered(self, term: Term) -> bool:
        """Whether an index has the values of a term in their order."""
        if term.entity is Entity.METRIC:
            return term.function is None
        return not term.name or term.name in ("run_name", "start_time")

    def _query(self, build: Callable[..., Select[Any]], *form: Hashable) -> Query:
        key = (build.__name__, *form)
        found = self._cached.get(key)
        if found is None:
            if len(self._cached) >= MAX_CACHED:
                self._cached.clear()
            found = self._cached[key] = Query(build(*form))
        return found

    def _sizes(self) -> Select[Any]:
        counted: Select[Any] = (
            select(constant("1"))
            .select_from(t.run)
            .where(_r.experiment_id == t.experiment.c.id, _r.lifecycle == _given("lifecycle"))
            .limit(_given("limit"))
        )
        size = select(func.count()).select_from(counted.correlate(t.experiment).subquery()).scalar_subquery()
        return select(t.experiment.c.id, size).where(in_list(t.experiment.c.id, "experiments"))

    def _page(self, source: Source, wanted: Filter, order: Order, given: Given) -> Select[Any]:
        joined, keys = _with_order(t.run, order)
        found = _selected(keys).select_from(joined)
        found = found.where(*self._is_from(source), _r.lifecycle == _given("lifecycle"))
        found = found.where(*self._conditions_of(wanted, _r.id))
        walked = source in ("experiment", "experiments")
        found = found.with_hint(t.run, _LISTING if walked else "NOT INDEXED", "sqlite")
        if given is not None:
            found = found.where(after(keys, order.parameters(given)))
        return found.limit(_given("limit"))

    def _is_from(self, source: Source) -> list[Where]:
        if source == "experiments":
            return [in_list(_r.experiment_id, "experiments")]
        here = _r.experiment_id == _given("experiment")
        if source == "experiment":
            return [here]
        if source == "ids":
            return [in_list(_r.id, "ids"), here]
        found = union_all(*(self._runs_with(leaf) for leaf in source))
        if self._dialect == "sqlite":
            return [_r.id.in_(found), here]
        # An array is read first, whatever the planner thinks of its length.
        return [_r.id == any_(func.array(found.scalar_subquery())), here]

    def _by_value(self, wanted: Filter, order: Order, start: Start, exact: bool) -> Select[Any]:
        term, tail = order.terms[0], order.tail
        table = t.run if term.name else RUN_TARGET.keyed[term.entity].table.alias("d")
        value = term.value(table)
        first = select(value.label("value"), _id_in(table).label("run_id"))
        first = first.where(table.c.experiment_id == _given("experiment"), *_has_value(term, table))
        if wanted.forms or not wanted.chosen:
            if table is not t.run:
                first = first.select_from(nested(table, t.run, _r.id == table.c.run_id))
            first = first.where(_r.lifecycle == _given("lifecycle"))
        first = first.where(*self._conditions_of(wanted, _id_in(table)))
        held = indexed(value) if term.entity in (Entity.PARAM, Entity.TAG) else None
        if start != "all":
            first = first.where(*_beyond(term, value, held, inclusive=start == "at"))
        first = first.with_hint(table, f"INDEXED BY {_index_of(term)}", "sqlite")
        ordered = [value] if held is None or not self.cuts_texts else [held, value] if exact else [held]
        directed = [one.asc() if term.ascending else one.desc() for one in ordered]
        found = first.order_by(*directed).limit(_given("limit")).subquery("found")
        joined, keys = _with_order(nested(found, t.run, _r.id == found.c.run_id), tail, shift=1)
        keys = [SortKey(found.c.value, term.ascending), *keys]
        return _selected(keys).select_from(joined)

    def _count(self, leaf: Leaf) -> Select[Any]:
        entries: Select[Any] = (
            self._runs_with(leaf, nearly=True).with_only_columns(constant("1")).limit(_given("limit"))
        )
        return select(func.count()).select_from(entries.subquery())

    def _ids(self, leaf: Leaf | None) -> Select[Any]:
        if leaf is not None and self.is_source(leaf):
            found = self._runs_with(leaf)
        else:
            found = select(_r.id).where(_r.experiment_id == _given("experiment"))
            if leaf is not None and leaf.name == "run_name":
                found = found.with_hint(t.run, "INDEXED BY ix_run_name", "sqlite")
            else:
                found = found.where(_r.lifecycle == _given("lifecycle"))
                found = found.with_hint(t.run, _LISTING, "sqlite")
            if leaf is not None:
                found = found.where(self._conditions.where(leaf))
        ids = found.subquery().c[0]
        if self._dialect == "sqlite":
            return select(func.group_concat(ids))
        return select(func.string_agg(cast(ids, Text), ","))

    def _runs_with(self, leaf: Leaf, *, nearly: bool = False) -> Select[Any]:
        """The ids of the runs that meet a condition, or of all in the range of its index.

        They may be of other experiments or lifecycles, where that makes the range no longer.
        """
        if leaf.keyed:
            keyed = RUN_TARGET.keyed[leaf.entity]
            met = self._conditions.near_rows(leaf) if nearly else self._conditions.on_rows(leaf)
            return select(keyed.owner).where(keyed.table.c.experiment_id == _given("experiment"), met)
        if leaf.entity is not Entity.ATTRIBUTE:
            column = dataset_column(leaf.name)
            joined = nested(t.dataset, t.run_dataset, t.run_dataset.c.dataset_id == t.dataset.c.id)
            return (
                select(t.run_dataset.c.run_id)
                .select_from(joined)
                .where(
                    t.dataset.c.experiment_id == _given("experiment"),
                    self._conditions.on_column(column, leaf),
                )
            )
        runs = select(_r.id).where(self._conditions.where(leaf))
        if leaf.name == "run_id":
            return runs
        runs = runs.where(_r.experiment_id == _given("experiment"))
        if leaf.name == "start_time":
            return runs.where(_r.lifecycle == _given("lifecycle"))
        return runs.where(self._conditions.between_bounds(_r.name, leaf)) if leaf.test is Test.LIKE else runs

    def _conditions_of(self, wanted: Filter, run_id: ColumnElement[int]) -> list[Where]:
        chosen = [is_member(run_id, "chosen")] if wanted.chosen else []
        return [*chosen, *map(self._conditions.where, wanted.forms)]


def _selected(keys: Sequence[SortKey]) -> Select[Any]:
    """The sort keys, in their order."""
    columns = [key.expression.label(f"s{i}") for i, key in enumerate(keys)]
    directed = [c.asc() if key.ascending else c.desc() for c, key in zip(columns, keys, strict=True)]
    return select(*columns).order_by(*directed)


def _given(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


def _with_order(source: FromClause, order: Order, shift: int = 0) -> tuple[FromClause, list[SortKey]]:
    """A FROM clause with what the order needs joined to it, and the sort keys.

    Args:
        source: has the runs.
        order: the order.
        shift: how many terms stand before the order's first; the keys' parameters count them.
    """
    tables: list[FromClause] = []
    for i, term in enumerate(order.terms, shift):
        if term.name:
            tables.append(t.run)
            continue
        table = RUN_TARGET.keyed[term.entity].table.alias(f"o{i}")
        source = source.outerjoin(table, and_(table.c.run_id == _r.id, table.c.key_id == _given(f"k{i}")))
        tables.append(table)
    return source, order.sort_keys(tables)


def _id_in(table: FromClause) -> ColumnElement[int]:
    return _r.id if table is t.run else table.c.run_id


def _has_value(term: Term, table: FromClause) -> list[Where]:
    if term.name:
        return [term.value(table).is_not(None)] if term.ranks else []
    with_key = table.c.key_id == _given("k0")
    return [with_key, term.is_number(table)] if NAN in term.ranks else [with_key]


def _beyond(
    term: Term, value: ColumnElement[Any], held: ColumnElement[str] | None, *, inclusive: bool
) -> list[Where]:
    """From the value `after` on; `held` is what an index holds of a text."""
    kinds: dict[type, TypeEngine[Any]] = {str: Text(), int: BigInteger(), float: Double()}
    bound: ColumnElement[Any] = bindparam("after", type_=kinds[term.kind])
    if term.ascending:
        behind = value >= bound if inclusive else value > bound
        near = None if held is None else held >= indexed(bound)
    else:
        behind = value <= bound if inclusive else value < bound
        near = None if held is None else held <= indexed(bound)
    return [behind] if near is None else [near, behind]


def _index_of(term: Term) -> str:
    if not term.name:
        return _VALUE_INDEX[term.entity]
    return "ix_run_name" if term.name == "run_name" else "ix_run_listing"
