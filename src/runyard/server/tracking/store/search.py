"""Finding runs: which index to start from, and one page of one stream.

A search is a merge of streams, one per experiment and lifecycle, each in the order asked for. A stream
starts from the most selective condition if that leaves few runs, else from the index that serves the
order; on SQLite the latter has a budget, after which the former is tried all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, literal, not_, null, select

from runyard.server.db import Connection, Row
from runyard.server.db.search_sql import Compiler, Keyed, Number, Where
from runyard.server.db.sorting import SortKey, after
from runyard.server.kernel.search import And, Condition, Entity, Field, Node, OrderTerm
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.columns import RUN_TARGET, STATUS_NAMES
from runyard.server.tracking.store.runs import FROM

_r = t.run.c

# Below so many matches of one condition, sorting them beats walking the index of the order.
FEW = 20_000
# Instructions of SQLite's machine, some 100 ms.
BUDGET = 4_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, compiled for one snapshot's keys.

    Attributes:
        compiler: compiles conditions.
        terms: the filter's top-level conjunction.
        order: the terms of the order.
        keys: key ids by name.
    """

    compiler: Compiler
    terms: tuple[Node, ...]
    order: tuple[OrderTerm, ...]
    keys: Mapping[str, int]


def plan(dialect: str, tree: Node | None, order: tuple[OrderTerm, ...], keys: Mapping[str, int]) -> Plan:
    """Make a search ready."""
    terms = () if tree is None else tree.terms if isinstance(tree, And) else (tree,)
    return Plan(Compiler(RUN_TARGET, dialect, keys), terms, order, keys)


def fields_of(tree: Node | None, order: Sequence[OrderTerm]) -> set[str]:
    """The keys of metrics, params and tags that a search names."""
    found = {term.field.key for term in order if term.field.entity in RUN_TARGET.keyed}
    stack: list[Node] = [] if tree is None else [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Condition):
            if node.field.entity in RUN_TARGET.keyed:
                found.add(node.field.key)
        elif hasattr(node, "terms"):
            stack.extend(node.terms)
        else:
            stack.append(node.term)
    return found


def key_count(order: Sequence[OrderTerm]) -> int:
    """How many values a position in this order has."""
    return sum(len(_term_keys(term, None)) for term in order) + 2


def directions(order: Sequence[OrderTerm]) -> list[bool]:
    """Per value of a position, whether it ascends."""
    return [key.ascending for term in order for key in _term_keys(term, None)] + [False, False]


def page(
    connection: Connection,
    plan: Plan,
    experiment: int,
    lifecycle: int,
    position: Sequence[Any] | None,
    limit: int,
) -> list[Row]:
    """The next rows of one stream: the values of the sort keys, the last of which is the run's id."""
    if any(_never(term, plan) for term in plan.terms):
        return []
    best = _most_selective(connection, plan, experiment)
    if best is not None and best[0] < FEW:
        return connection.rows(_from_condition(plan, experiment, lifecycle, position, limit, best[1]))
    driver = _driver(plan)
    if driver is None:
        statement = _from_listing(plan, experiment, lifecycle, position, limit)
        found = _within_budget(connection, statement, best is not None)
    else:
        found = _from_order(
            connection, plan, experiment, lifecycle, position, limit, driver, best is not None
        )
    if found is None and best is not None:
        return connection.rows(_from_condition(plan, experiment, lifecycle, position, limit, best[1]))
    return found or []


def _never(term: Node, plan: Plan) -> bool:
    """Whether a condition can't hold since its key occurs nowhere."""
    entity = getattr(getattr(term, "field", None), "entity", None)
    seekable = entity in RUN_TARGET.keyed and not hasattr(term, "terms")
    return seekable and term.field.key not in plan.keys and type(term).__name__ != "IsNull"  # type: ignore[union-attr]


def _most_selective(connection: Connection, plan: Plan, experiment: int) -> tuple[int, Node] | None:
    """The condition with the fewest matches, counted up to `FEW`."""
    best: tuple[int, Node] | None = None
    for term in plan.terms:
        found = plan.compiler.seek(term)
        if found is None:
            continue
        keyed, where = found
        few = (
            select(literal(1))
            .select_from(keyed.table)
            .where(_in_experiment(keyed, experiment), where)
            .limit(FEW)
        )
        count: int = connection.value(select(func.count()).select_from(few.subquery()))
        if best is None or count < best[0]:
            best = (count, term)
    return best


def _in_experiment(keyed: Keyed, experiment: int) -> Where:
    return keyed.table.c.experiment_id == experiment


def _from_condition(
    plan: Plan, experiment: int, lifecycle: int, position: Sequence[Any] | None, limit: int, start: Node
) -> Any:
    """Take the runs that one condition's index gives, test the rest of the filter, sort."""
    found = plan.compiler.seek(start)
    assert found is not None  # noqa: S101 - `_most_selective` chose it
    keyed, where = found
    ids = select(keyed.owner).where(_in_experiment(keyed, experiment), where)
    others = [plan.compiler.compile(term) for term in plan.terms if term is not start]
    joined, keys = _sorted(plan.order, plan.keys, FROM)
    statement = select(*(k.expression for k in keys)).select_from(joined)
    statement = statement.where(_r.id.in_(ids), _r.lifecycle == lifecycle, *others)
    return _paged(statement, keys, position, limit)


def _from_listing(
    plan: Plan, experiment: int, lifecycle: int, position: Sequence[Any] | None, limit: int
) -> Any:
    """Walk the experiment's runs; newest first without a sort."""
    joined, keys = _sorted(plan.order, plan.keys, FROM)
    statement = select(*(k.expression for k in keys)).select_from(joined)
    statement = statement.where(
        _r.experiment_id == experiment, _r.lifecycle == lifecycle, *map(plan.compiler.compile, plan.terms)
    )
    return _paged(statement, keys, position, limit)


@dataclass(frozen=True, slots=True)
class _Driver:
    """The index of the first term of the order."""

    table: FromClause
    term: OrderTerm
    key: int


def _driver(plan: Plan) -> _Driver | None:
    if not plan.order:
        return None
    first = plan.order[0]
    if first.field.entity not in RUN_TARGET.keyed or first.field.function is not None:
        return None
    key = plan.keys.get(first.field.key)
    if key is None:
        return None
    return _Driver(RUN_TARGET.keyed[first.field.entity].table.alias("driver"), first, key)


def _from_order(
    connection: Connection,
    plan: Plan,
    experiment: int,
    lifecycle: int,
    position: Sequence[Any] | None,
    limit: int,
    driver: _Driver,
    budgeted: bool,
) -> list[Row] | None:
    """Walk the index of the order: first the runs with a value, then NaN, then those without."""
    found: list[Row] = []
    rank = 0 if position is None else int(position[0])
    for phase in (p for p in (0, 1, 2) if p >= rank):
        if phase == 1 and driver.term.field.entity is not Entity.METRIC:
            continue
        here = position if position is not None and phase == rank else None
        statement = _phase(plan, experiment, lifecycle, here, limit - len(found), driver, phase)
        rows = _within_budget(connection, statement, budgeted)
        if rows is None:
            return None
        found += rows
        if len(found) >= limit:
            break
    return found


def _phase(
    plan: Plan,
    experiment: int,
    lifecycle: int,
    position: Sequence[Any] | None,
    limit: int,
    driver: _Driver,
    phase: int,
) -> Any:
    d, terms = driver.table, [plan.compiler.compile(term) for term in plan.terms]
    joined, rest = _sorted(plan.order[1:], plan.keys, FROM)
    has_key = and_(d.c.run_id == _r.id, d.c.key_id == driver.key)
    if phase == 2:
        joined, first = joined, [SortKey(literal(2)), SortKey(null(), ranked=True)]
        where: list[Where] = [_r.experiment_id == experiment, not_(exists().select_from(d).where(has_key))]
        ordering = rest
    else:
        joined = joined.join(d, has_key)
        where = [d.c.experiment_id == experiment, d.c.key_id == driver.key]
        is_metric = driver.term.field.entity is Entity.METRIC
        if is_metric:
            where.append(d.c.last_nan == phase)
        value = d.c.last_value if is_metric else d.c.value
        if phase == 1:
            first, ordering = [SortKey(literal(1)), SortKey(null(), ranked=True)], rest
        else:
            key = SortKey(value, driver.term.ascending, ranked=True)
            first, ordering = [SortKey(literal(0)), key], [key, *rest]
    statement = select(*(k.expression for k in (*first, *rest))).select_from(joined)
    statement = statement.where(*where, _r.lifecycle == lifecycle, *terms)
    if position is not None:
        at = position[1:] if phase == 0 else position[2:]
        statement = statement.where(after(ordering, at))
    return statement.order_by(*(k.ordering for k in ordering)).limit(limit)


def _paged(statement: Any, keys: Sequence[SortKey], position: Sequence[Any] | None, limit: int) -> Any:
    if position is not None:
        statement = statement.where(after(keys, position))
    return statement.order_by(*(k.ordering for k in keys)).limit(limit)


def _sorted(
    order: Sequence[OrderTerm], key_ids: Mapping[str, int], source: FromClause
) -> tuple[FromClause, list[SortKey]]:
    """The FROM clause with what the order needs joined to it, and the sort keys."""
    keys: list[SortKey] = []
    for i, term in enumerate(order):
        table: FromClause | None = None
        if term.field.entity in RUN_TARGET.keyed:
            table = RUN_TARGET.keyed[term.field.entity].table.alias(f"o{i}")
            key = key_ids.get(term.field.key, -1)
            source = source.outerjoin(table, and_(table.c.run_id == _r.id, table.c.key_id == key))
        keys += _term_keys(term, table)
    return source, [*keys, SortKey(_r.start_time, ascending=False), SortKey(_r.id, ascending=False)]


def _term_keys(term: OrderTerm, table: FromClause | None) -> list[SortKey]:
    """A rank and a value; attributes that are never missing need no rank."""
    field = term.field
    if field.entity in RUN_TARGET.keyed:
        number = _number(field) if field.entity is Entity.METRIC else None
        if table is None:
            return [SortKey(literal(0)), SortKey(literal(0), term.ascending, ranked=True)]
        value = _on(table, number.value) if number is not None else table.c.value
        rank = case((value.is_(None), 2), else_=0)
        if number is not None and number.nan is not None:
            nan = _on(table, number.nan)
            rank = case((value.is_(None), 2), else_=nan)
            value = case((nan == 1, None), else_=value)
        return [SortKey(rank), SortKey(value, term.ascending, ranked=True)]
    column = RUN_TARGET.attributes[field.key].column
    if field.key == "status":
        column = case(*((column == number, name) for number, name in STATUS_NAMES.items()), else_="")
    if field.key == "end_time":
        return [SortKey(case((column.is_(None), 2), else_=0)), SortKey(column, term.ascending, ranked=True)]
    return [SortKey(column, term.ascending)]


def _number(field: Field) -> Number:
    return RUN_TARGET.keyed[Entity.METRIC].number(field.function)


def _on(table: FromClause, expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """An expression over the metric table, over an alias of it."""
    from sqlalchemy.sql.util import ClauseAdapter

    return ClauseAdapter(table).traverse(expression)  # type: ignore[no-any-return]


def _within_budget(connection: Connection, statement: Any, budgeted: bool) -> list[Row] | None:
    if budgeted:
        return connection.rows_within(statement, BUDGET)
    return connection.rows(statement)


def streams(experiments: Sequence[int], lifecycles: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Every experiment with every lifecycle."""
    for experiment in dict.fromkeys(experiments):
        for lifecycle in lifecycles:
            yield experiment, lifecycle
