"""Compiles the search language's trees to SQL conditions, with a column map that the slice owns.

A condition on a keyed entity becomes an EXISTS on its attribute table, correlated with the thing that is
searched; `seek` gives the same condition as a scan of the table's index by value, for whoever wants to
start from it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, func, literal, not_, or_, text, true

from runyard.server.kernel.search import (
    And,
    Between,
    Comparison,
    Condition,
    Entity,
    Field,
    In,
    IsNan,
    IsNull,
    MetricFunction,
    Node,
    Not,
    Operator,
    Or,
    Value,
)

Where = ColumnElement[bool]
"""A condition in SQL."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of the thing itself.

    Attributes:
        column: the value.
        names: for an enumeration stored as numbers, the text of each number.
        to_sql: for a value stored otherwise than it is written; gives None for one that can't occur.
    """

    column: ColumnElement[Any]
    names: Mapping[int, str] | None = None
    to_sql: Callable[[Value], Any] | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a keyed row; `nan` is the flag beside it, where it may be NaN."""

    value: ColumnElement[Any]
    nan: ColumnElement[Any] | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """A table with a row per thing and key.

    Attributes:
        table: the table.
        owner: the column that names the thing.
        key: the column that names the key.
        value: the value: a text, or the number that a metric without function means.
        functions: the numbers that functions of a metric mean.
        prefix: how many characters of a text its index holds on PostgreSQL.
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
        named: conditions on other fields (datasets): from the field and a maker of a text condition.
    """

    owner: ColumnElement[Any]
    attributes: Mapping[str, Attribute]
    keyed: Mapping[Entity, Keyed]
    named: Callable[[Field, Callable[[ColumnElement[Any]], Where]], Where] | None = None


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
        match node:
            case And(terms=terms):
                return and_(*(self.compile(term) for term in terms))
            case Or(terms=terms):
                return or_(*(self.compile(term) for term in terms))
            case Not(term=term):
                return not_(func.coalesce(self.compile(term), false()))
            case _:
                return self._condition(node)

    def seek(self, node: Node) -> tuple[Keyed, Where] | None:
        """A condition on one keyed table's own columns, when a tree is one that its index can serve."""
        if (
            not isinstance(node, Comparison | In | Between | IsNan)
            or node.field.entity not in self._target.keyed
        ):
            return None
        keyed = self._target.keyed[node.field.entity]
        if node.field.key not in self._keys or getattr(node, "negated", False):
            return None
        if isinstance(node, Comparison) and node.operator in _NEGATIVE:
            return None
        return keyed, and_(keyed.key == self._keys[node.field.key], self._on_keyed(keyed, node))

    def _condition(self, node: Condition) -> Where:
        entity = node.field.entity
        if entity is Entity.ATTRIBUTE:
            return self._on_attribute(self._target.attributes[node.field.key], node)
        if entity in self._target.keyed:
            return self._on_key(self._target.keyed[entity], node)
        assert self._target.named is not None  # noqa: S101 - the schema checked it
        if isinstance(node, IsNull):
            here = self._target.named(node.field, lambda column: column.is_not(None))
            return here if node.negated else not_(here)
        return self._target.named(node.field, lambda column: self._on_text(column, node, 0))

    def _on_key(self, keyed: Keyed, node: Condition) -> Where:
        key = self._keys.get(node.field.key)
        negated = isinstance(node, IsNull) and not node.negated
        if key is None:
            return true() if negated else false()
        here = and_(keyed.owner == self._target.owner, keyed.key == key)
        if isinstance(node, IsNull):
            found = exists().select_from(keyed.table).where(here)
            return not_(found) if negated else found
        return exists().select_from(keyed.table).where(here, self._on_keyed(keyed, node))

    def _on_keyed(self, keyed: Keyed, node: Condition) -> Where:
        if isinstance(keyed.value, Number):
            return _on_number(keyed.number(node.field.function), node)
        return self._on_text(keyed.value, node, keyed.prefix if self._dialect == "postgresql" else 0)

    def _on_attribute(self, attribute: Attribute, node: Condition) -> Where:
        column = attribute.column
        if isinstance(node, IsNull):
            return column.is_not(None) if node.negated else column.is_(None)
        if attribute.names is not None:
            return _on_names(column, attribute.names, node)
        if attribute.to_sql is not None:
            return _on_converted(column, attribute.to_sql, node)
        if isinstance(node, Comparison) and isinstance(node.value, str):
            return self._on_text(column, node, 0)
        if isinstance(node, In):
            return self._on_text(column, node, 0)
        return _on_number(Number(column), node)

    def _on_text(self, column: ColumnElement[Any], node: Condition, prefix: int) -> Where:
        if isinstance(node, In):
            found = column.in_(node.values)
            if prefix and not node.negated:
                short = func.substr(column, text("1"), text(str(prefix)))
                found = and_(short.in_([str(v)[:prefix] for v in node.values]), found)
            return not_(found) if node.negated else found
        assert isinstance(node, Comparison)  # noqa: S101 - the parser lets texts only be compared so
        value = str(node.value)
        if node.operator is Operator.EQ and prefix:
            equal = func.substr(column, text("1"), text(str(prefix))) == value[:prefix]
            return equal if len(value) < prefix else and_(equal, column == value)
        if node.operator in _PLAIN:
            return _PLAIN[node.operator](column, value)  # type: ignore[no-any-return]
        found = self._like(column, value, fold=node.operator in (Operator.ILIKE, Operator.NOT_ILIKE))
        return not_(found) if node.operator in _NEGATIVE else found

    def _like(self, column: ColumnElement[Any], pattern: str, *, fold: bool) -> Where:
        if self._dialect == "postgresql":
            # A backslash would escape; here it is a character like any other.
            plain = pattern.replace("\\", "\\\\")
            return column.ilike(plain) if fold else column.like(plain)
        if fold:
            return func.lower(column).like(_lower_ascii(pattern))
        return column.op("GLOB", is_comparison=True)(_to_glob(pattern))


_PLAIN: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}
_NEGATIVE = frozenset((Operator.NE, Operator.NOT_LIKE, Operator.NOT_ILIKE))


def _on_number(number: Number, node: Condition) -> Where:
    value, is_number = number.value, true() if number.nan is None else number.nan == 0
    match node:
        case IsNan(negated=negated):
            if number.nan is None:
                return true() if negated else false()
            return number.nan == (0 if negated else 1)
        case In(values=values, negated=negated):
            inside = and_(is_number, value.in_(values))
            return not_(inside) if negated else inside
        case Between(low=low, high=high, negated=negated):
            between = and_(is_number, value >= low, value <= high)
            return not_(between) if negated else between
        case Comparison(operator=Operator.NE, value=constant) if number.nan is not None:
            return or_(number.nan == 1, value != constant)
        case Comparison(operator=op, value=constant):
            compared: Where = _PLAIN[op](value, literal(constant))
            return compared if number.nan is None else and_(is_number, compared)
    raise AssertionError(node)


def _on_names(column: ColumnElement[Any], names: Mapping[int, str], node: Condition) -> Where:
    """A condition on the texts of an enumeration: decided here, for each of its few values."""
    return column.in_([number for number, name in names.items() if _holds(name, node)])


def _holds(name: str, node: Condition) -> bool:
    match node:
        case In(values=values, negated=negated):
            return (name in values) != negated
        case Comparison(operator=op, value=value) if op in _PLAIN:
            return bool(_PLAIN[op](name, value))
        case Comparison(operator=op, value=value):
            flags = re.IGNORECASE if op in (Operator.ILIKE, Operator.NOT_ILIKE) else 0
            return bool(re.fullmatch(_to_regex(str(value)), name, flags | re.DOTALL)) != (op in _NEGATIVE)
    raise AssertionError(node)


def _on_converted(column: ColumnElement[Any], to_sql: Callable[[Value], Any], node: Condition) -> Where:
    if isinstance(node, In):
        found = column.in_([v for v in map(to_sql, node.values) if v is not None])
        return not_(found) if node.negated else found
    if not isinstance(node, Comparison) or node.operator not in (Operator.EQ, Operator.NE):
        return false()
    value = to_sql(node.value)
    if value is None:
        return true() if node.operator is Operator.NE else false()
    return column == value if node.operator is Operator.EQ else column != value


def _to_glob(pattern: str) -> str:
    """A LIKE pattern as SQLite's case-sensitive GLOB."""
    special = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(special.get(c, c) for c in pattern)


def _to_regex(pattern: str) -> str:
    return "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)


def _lower_ascii(value: str) -> str:
    """As SQLite's lower() does: ASCII letters only."""
    return "".join(c.lower() if c.isascii() else c for c in value)
