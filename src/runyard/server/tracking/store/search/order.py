"""The order of a search of runs: its terms, their sort keys, and positions in it.

A term on something that a run may lack, or that may be NaN, has two sort keys: a rank, always ascending,
and the value. Runs that compare equal come newest first: by start time, then by surrogate id. A position
is the list of a run's sort keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Text,
    bindparam,
    case,
)
from sqlalchemy import literal_column as constant
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.types import TypeEngine

from runyard.server.db.search_sql import Number
from runyard.server.db.sorting import SortKey, invalid_position, is_value
from runyard.server.kernel.search import Entity, MetricFunction, OrderTerm
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.columns import RUN_TARGET

T = TypeVar("T")

VALUE, NAN, MISSING = 0, 1, 2
"""The ranks: runs with a value come first, in either direction."""

_TYPES: dict[type, TypeEngine[Any]] = {str: Text(), float: Double(), int: BigInteger()}


@dataclass(frozen=True, slots=True)
class Term:
    """The form of a term.

    Attributes:
        entity: what is ordered by.
        name: the attribute; empty for metrics, params and tags.
        function: of a metric's history; None for the last value.
        ascending: the direction.
    """

    entity: Entity
    name: str
    function: MetricFunction | None
    ascending: bool

    @property
    def ranks(self) -> tuple[int, ...]:
        """The ranks that occur; () when every run has a value, which then has no rank beside it."""
        if self.entity is Entity.METRIC and self.function is not MetricFunction.COUNT:
            return (VALUE, NAN, MISSING)
        return () if self.name and self.name != "end_time" else (VALUE, MISSING)

    @property
    def width(self) -> int:
        """How many sort keys it has."""
        return 2 if self.ranks else 1

    @property
    def kind(self) -> type:
        """The type of its values."""
        if self.entity is Entity.METRIC:
            return int if self.function is MetricFunction.COUNT else float
        return int if self.name in ("start_time", "end_time") else str

    def value(self, table: FromClause) -> ColumnElement[Any]:
        """The value, on an attribute table or the run."""
        if self.name:
            return RUN_TARGET.attributes[self.name].sort_value
        if self.entity is Entity.METRIC:
            return _on(table, self._number.value)
        return table.c.value

    def is_number(self, table: FromClause) -> ColumnElement[bool]:
        """The condition that a metric isn't NaN."""
        return _on(table, self._number.is_number())

    def sort_keys(self, table: FromClause) -> list[SortKey]:
        """Its sort keys, on the run or an outer join of the attribute table."""
        value = self.value(table)
        if not self.ranks:
            return [SortKey(value, self.ascending)]
        absent = value if self.name else table.c.run_id
        nan: ColumnElement[Any] = constant("0")
        if NAN in self.ranks:
            nan = case((_on(table, self._number.is_nan()), constant("1")), else_=nan)
            value = case((self.is_number(table), value), else_=None)
        rank = case((absent.is_(None), constant("2")), else_=nan)
        return [SortKey(rank), SortKey(value, self.ascending, ranked=True)]

    @property
    def _number(self) -> Number:
        return RUN_TARGET.keyed[Entity.METRIC].number(self.function)


@dataclass(frozen=True, slots=True)
class Order:
    """The form of an order.

    Attributes:
        terms: what is compared first.
        ascending: the direction of start time and surrogate id, which are compared last.
    """

    terms: tuple[Term, ...]
    ascending: bool = False

    @property
    def tail(self) -> Order:
        """The order of runs that are equal in the first term."""
        return Order(self.terms[1:], self.ascending)

    def sort_keys(self, tables: Sequence[FromClause]) -> list[SortKey]:
        """The sort keys; `tables` has one for each term (see `Term.sort_keys`)."""
        keys = [key for term, table in zip(self.terms, tables, strict=True) for key in term.sort_keys(table)]
        return [*keys, SortKey(t.run.c.start_time, self.ascending), SortKey(t.run.c.id, self.ascending)]

    def parameters(self, given: Sequence[bool]) -> list[BindParameter[Any] | None]:
        """A position as parameters `p0`, `p1`, ...; None where no value is given."""
        return [
            bindparam(f"p{i}", type_=kind) if there else None
            for i, (there, kind) in enumerate(zip(given, self._types(), strict=True))
        ]

    def compare(self, a: Sequence[Any], b: Sequence[Any]) -> int:
        """Below 0 when sort keys `a` come before `b`, above 0 when they come after."""
        for left, right, ascending in zip(a, b, self._directions(), strict=True):
            if left != right:
                return -1 if (left < right) == ascending else 1
        return 0

    def checked(self, position: Sequence[Any]) -> list[Any]:
        """A position that a caller sent.

        Raises:
            InvalidArgument: it isn't one of this order.
        """
        if not self._fits(position):
            raise invalid_position()
        return list(position)

    def _fits(self, position: Sequence[Any]) -> bool:
        rest = list(position)
        for term in self.terms:
            if term.ranks:
                rank = rest.pop(0) if rest else None
                if type(rank) is not int or rank not in term.ranks:
                    return False
                if rank != VALUE:
                    if not rest or rest.pop(0) is not None:
                        return False
                    continue
            if not rest or not is_value(rest.pop(0), term.kind):
                return False
        return len(rest) == 2 and all(is_value(value, int) for value in rest)

    def _directions(self) -> list[bool]:
        found: list[bool] = []
        for term in self.terms:
            found += [True, term.ascending] if term.ranks else [term.ascending]
        return [*found, self.ascending, self.ascending]

    def _types(self) -> list[TypeEngine[Any]]:
        found: list[TypeEngine[Any]] = []
        for term in self.terms:
            found += [Integer(), _TYPES[term.kind]] if term.ranks else [_TYPES[term.kind]]
        return [*found, BigInteger(), BigInteger()]


def order_of(terms: Sequence[OrderTerm]) -> Order:
    """The form of an order."""
    forms = [_term_of(term) for term in terms]
    if forms and forms[-1].name == "start_time":
        return Order(tuple(forms[:-1]), forms[-1].ascending)
    return Order(tuple(forms))


def _term_of(term: OrderTerm) -> Term:
    field = term.field
    if field.entity is Entity.ATTRIBUTE:
        return Term(field.entity, field.key, None, term.ascending)
    function = None if field.function is MetricFunction.LAST else field.function
    return Term(field.entity, "", function, term.ascending)


def _on(table: FromClause, expression: ColumnElement[T]) -> ColumnElement[T]:
    """An expression over an attribute table, over an alias of it."""
    return ClauseAdapter(table).traverse(expression)
