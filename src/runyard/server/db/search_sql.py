"""Compiles the search language's trees to SQL conditions, with a column map that the slice owns.

A condition on a keyed entity becomes an EXISTS on its attribute table, correlated with the thing that is
searched; `seek` gives the same condition as a scan of the table's index by value, for whoever wants to
start from it.

Logic is two-valued: a NULL that comes up counts as false, and NOT treats it so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.types import NullType, TypeEngine

from runyard.server.db.query import in_list
from runyard.server.db.query import indexed as indexed_text
from runyard.server.db.search_forms import AllOf, Analysis, AnyOf, Complement, Form, Leaf, Test
from runyard.server.kernel.search import Entity, MetricFunction, Node, Value

Where = ColumnElement[bool]
"""A condition in SQL."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of the thing itself.

    Attributes:
        column: the value: a text, or a whole number.
        names: for an enumeration stored as numbers, the text of each number.
        to_sql: for a value stored otherwise than it is written; gives None for one that can't occur.
        indexed: whether an index holds the whole text; the beginning of a pattern is then a range of it.
    """

    column: ColumnElement[Any]
    names: Mapping[int, str] | None = None
    to_sql: Callable[[Value], Any] | None = None
    indexed: bool = False

    @property
    def sort_value(self) -> ColumnElement[Any]:
        """What it is ordered by: of an enumeration the names."""
        if self.names is None:
            return self.column
        # `else_` never occurs; without it the type would be nullable.
        return case(*((self.column == number, name) for number, name in self.names.items()), else_="")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a keyed row.

    Attributes:
        value: the number; whatever it likes where it is NaN.
        nan: where it may be NaN: a flag that it is, 1 or 0, or a condition.
    """

    value: ColumnElement[Any]
    nan: ColumnElement[Any] | None = None

    def is_nan(self) -> Where:
        """The condition that it is NaN."""
        if self.nan is None:
            return false()
        return self.nan if isinstance(self.nan.type, Boolean) else self.nan == literal_column("1")

    def is_number(self) -> Where:
        """The condition that it isn't."""
        if self.nan is None:
            return true()
        return not_(self.nan) if isinstance(self.nan.type, Boolean) else self.nan == literal_column("0")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A table with a row per thing and key.

    Attributes:
        table: the table.
        owner: the column that names the thing.
        key: the column that names the key.
        value: the value: a text, or the number that a metric without function means.
        functions: the numbers that functions of a metric mean.
        prefix: above 0 for a text whose index was made with `query.indexed`.
    """

    table: FromClause
    owner: ColumnElement[Any]
    key: ColumnElement[Any]
    value: ColumnElement[Any] | Number
    functions: Mapping[MetricFunction, Number] = field(default_factory=dict)
    prefix: int = 0

    def number(self, wanted: MetricFunction | None) -> Number:
        """The number that a function means."""
        if wanted is not None and wanted in self.functions:
            return self.functions[wanted]
        assert isinstance(self.value, Number)  # noqa: S101 - the schema checked it
        return self.value


@dataclass(frozen=True, slots=True)
class Target:
    """The column map of one kind of thing.

    Attributes:
        owner: the column that keyed tables refer to.
        attributes: by canonical name.
        keyed: tables of metrics, params and tags.
        named: conditions on other fields (datasets): from the entity, the field's name and a maker of a
            text condition.
    """

    owner: ColumnElement[Any]
    attributes: Mapping[str, Attribute]
    keyed: Mapping[Entity, Keyed]
    named: Callable[[str, Callable[[ColumnElement[Any]], Where]], Where] | None = None


class Compiler:
    """Compiles trees over one target.

    Args:
        target: the column map.
        dialect: `sqlite` or `postgresql`.
        keys: what the key column holds for a key; a key that isn't here doesn't occur.
    """

    def __init__(self, target: Target, dialect: str, keys: Mapping[str, Any]) -> None:
        self._target = target
        self._dialect = dialect
        self._keys = keys

    def compile(self, node: Node) -> Where:
        """The condition on the searched thing that a tree means."""
        form, conditions = self._analyse(node)
        return conditions.where(form)

    def seek(self, node: Node) -> tuple[Keyed, Where] | None:
        """A condition on one keyed table's own columns, when a tree is one that its index can serve."""
        form, conditions = self._analyse(node)
        if not isinstance(form, Leaf) or not form.keyed or not conditions.bounded(form):
            return None
        return self._target.keyed[form.entity], conditions.on_rows(form)

    def _analyse(self, node: Node) -> tuple[Form, Conditions]:
        constants: list[Any] = []
        form = Analysis(self._target.attributes, self._dialect, self._keys, constants).form(node)
        return form, Conditions(self._target, self._dialect, constants)


class Conditions:
    """SQL conditions of forms over one target.

    Args:
        target: the column map.
        dialect: `sqlite` or `postgresql`.
        constants: the forms' constants; None to leave them open, as parameters named `c0`, `c1`, ...
    """

    def __init__(self, target: Target, dialect: str, constants: Sequence[Any] | None = None) -> None:
        self._target = target
        self._dialect = dialect
        self._constants = constants

    def where(self, form: Form) -> Where:
        """The condition on the searched thing that a form means."""
        match form:
            case AllOf(terms=terms):
                return and_(*(self.where(term) for term in terms))
            case AnyOf(terms=terms):
                return or_(*(self.where(term) for term in terms))
            case Complement(term=term):
                return not_(func.coalesce(self.where(term), false()))
            case Leaf(entity=Entity.ATTRIBUTE):
                return self.on_column(self._target.attributes[form.name].column, form)
            case Leaf(name=""):
                return self._on_key(form)
            case Leaf():
                assert self._target.named is not None  # noqa: S101 - the schema checked it
                if form.missing:
                    return not_(self._target.named(form.name, lambda column: column.is_not(None)))
                return self._target.named(form.name, lambda column: self.on_column(column, form))

    def on_rows(self, leaf: Leaf) -> Where:
        """The condition on the rows of a keyed table that a known key's leaf means."""
        found = self._on_rows(leaf, by_index=True)
        bounded = leaf.test is Test.LIKE and self.bounded(leaf)
        return and_(self.near_rows(leaf), found) if bounded else found

    def near_rows(self, leaf: Leaf) -> Where:
        """A condition that `on_rows` implies, and that bounds a range of the table's index."""
        keyed = self._target.keyed[leaf.entity]
        if not self.bounded(leaf):
            return self._has_key(keyed, leaf)
        if leaf.test is Test.LIKE and not isinstance(keyed.value, Number):
            held = indexed_text(keyed.value) if keyed.prefix else keyed.value
            return and_(self._has_key(keyed, leaf), self.between_bounds(held, leaf))
        return self.on_rows(leaf)

    def on_column(self, column: ColumnElement[Any], leaf: Leaf) -> Where:
        """The condition on a column that the leaf of an attribute or of a dataset's field means."""
        if leaf.test is Test.NULL:
            return column.is_not(None) if leaf.negated else column.is_(None)
        if isinstance(column.type, Integer):
            return _negated(leaf, self._compare(column, leaf, leaf.at, BigInteger()))
        return self._on_text(column, leaf)

    def between_bounds(self, column: ColumnElement[Any], leaf: Leaf) -> Where:
        """The range of a text where the pattern of a bounded leaf can match."""
        at = leaf.at + leaf.keyed
        return and_(column >= self._constant(at + 1, Text()), column < self._constant(at + 2, Text()))

    def bounded(self, leaf: Leaf) -> bool:
        """Whether an index by value holds what a known key's leaf finds next to each other."""
        if leaf.negated or not leaf.known or leaf.function not in (None, MetricFunction.LAST):
            return leaf.known and leaf.test is Test.NAN and leaf.function in (None, MetricFunction.LAST)
        return leaf.test in _BOUNDED or (leaf.test is Test.LIKE and leaf.count > 1)

    def _on_text(self, column: ColumnElement[Any], leaf: Leaf, *, indexed: bool = False) -> Where:
        at = leaf.at + leaf.keyed
        if leaf.test is Test.LIKE or leaf.test is Test.ILIKE:
            return _negated(leaf, self._like(column, leaf, at))
        found = self._compare(column, leaf, at, Text())
        if indexed and self._dialect == "postgresql":
            # The index holds the beginning of the text: that finds it, the whole decides.
            held = indexed_text(column)
            if leaf.test is Test.EQ:
                found = and_(held == indexed_text(self._constant(at, Text())), found)
            elif leaf.test is Test.AMONG:
                found = and_(in_list(held, self._constant(at + 1, NullType())), found)
        return _negated(leaf, found)

    def _on_key(self, leaf: Leaf) -> Where:
        if not leaf.known:
            return true() if leaf.missing else false()
        keyed = self._target.keyed[leaf.entity]
        rows: Select[Any] = select(literal_column("1")).select_from(keyed.table)
        rows = rows.where(keyed.owner == self._target.owner, self._on_rows(leaf, by_index=False))
        if self._dialect == "postgresql":
            # Keeps it from being turned into a join that begins with these rows, which may be very many.
            rows = rows.offset(literal_column("0"))
        return not_(exists(rows)) if leaf.missing else exists(rows)

    def _on_rows(self, leaf: Leaf, *, by_index: bool) -> Where:
        keyed = self._target.keyed[leaf.entity]
        test = true() if leaf.test is Test.NULL else self._on_value(keyed, leaf, by_index=by_index)
        return and_(self._has_key(keyed, leaf), test)

    def _has_key(self, keyed: Keyed, leaf: Leaf) -> Where:
        kind = BigInteger() if isinstance(keyed.key.type, Integer) else Text()
        return keyed.key == self._constant(leaf.at, kind)

    def _on_value(self, keyed: Keyed, leaf: Leaf, *, by_index: bool) -> Where:
        if not isinstance(keyed.value, Number):
            return self._on_text(keyed.value, leaf, indexed=by_index and keyed.prefix > 0)
        number = keyed.number(leaf.function)
        if leaf.test is Test.NAN:
            return number.is_number() if leaf.negated else number.is_nan()
        kind: TypeEngine[Any] = BigInteger() if leaf.function is MetricFunction.COUNT else Double()
        compared = self._compare(number.value, leaf, leaf.at + 1, kind)
        if number.nan is None:
            return _negated(leaf, compared)
        if leaf.negated or leaf.test is Test.NE:
            return or_(number.is_nan(), _negated(leaf, compared))
        return and_(number.is_number(), compared)

    def _compare(self, column: ColumnElement[Any], leaf: Leaf, at: int, kind: TypeEngine[Any]) -> Where:
        match leaf.test:
            case Test.NEVER:
                return false()
            case Test.NULL:
                return column.is_(None)
            case Test.AMONG:
                return in_list(column, self._constant(at, NullType()))
            case Test.IN:
                return column.in_([self._constant(at + i, kind) for i in range(leaf.count)])
            case Test.BETWEEN:
                return column.between(self._constant(at, kind), self._constant(at + 1, kind))
            case _:
                return _COMPARED[leaf.test](column, self._constant(at, kind))  # type: ignore[no-any-return]

    def _like(self, column: ColumnElement[Any], leaf: Leaf, at: int) -> Where:
        pattern = self._constant(at, Text())
        if leaf.test is Test.LIKE and self._dialect == "sqlite":
            return column.op("GLOB", is_comparison=True)(pattern)
        if leaf.test is Test.ILIKE and self._dialect == "postgresql":
            return column.op("ILIKE", is_comparison=True)(pattern)
        # SQLite's own LIKE ignores the case of ASCII letters.
        return column.like(pattern)

    def _constant(self, at: int, kind: TypeEngine[Any]) -> BindParameter[Any]:
        if self._constants is None:
            return bindparam(f"c{at}", type_=kind)
        return bindparam(None, self._constants[at], type_=kind, unique=True)


_BOUNDED = frozenset(
    {Test.EQ, Test.GT, Test.GE, Test.LT, Test.LE, Test.AMONG, Test.IN, Test.BETWEEN, Test.NAN, Test.NEVER}
)
_COMPARED: Mapping[Test, Callable[[Any, Any], Any]] = {
    Test.EQ: operator.eq,
    Test.NE: operator.ne,
    Test.GT: operator.gt,
    Test.GE: operator.ge,
    Test.LT: operator.lt,
    Test.LE: operator.le,
}


def _negated(leaf: Leaf, found: Where) -> Where:
    return not_(found) if leaf.negated else found
