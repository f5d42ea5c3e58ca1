"""Takes filters apart into their form, which decides the SQL, and their constants, which are bound to it.

Filters that differ in their constants alone (keys of metrics, params and tags included) have equal forms,
so one compiled statement serves them all.
"""

from __future__ import annotations

import enum
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runyard.server.db.query import INDEXED_CHARACTERS
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import (
    And,
    Between,
    Comparison,
    Condition,
    Entity,
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

MAX_PATTERN = 10_000
"""Characters in a pattern of LIKE; SQLite takes 50,000 bytes, and some characters are written as three."""

_INT64 = range(-(2**63), 2**63)


class Test(enum.Enum):
    """How a value is tested; its constants in parentheses."""

    EQ = "="  # (value)
    NE = "!="  # (value)
    GT = ">"  # (value)
    GE = ">="  # (value)
    LT = "<"  # (value)
    LE = "<="  # (value)
    LIKE = "LIKE"  # (pattern), or (pattern, lowest, next) where the matches lie in lowest <= value < next
    ILIKE = "ILIKE"  # (pattern)
    AMONG = "IN"  # (a list), of whole numbers; (a list, the list of what `indexed` holds), of texts
    IN = "IN (...)"  # (value, ...), of real numbers
    BETWEEN = "BETWEEN"  # (low, high)
    NAN = "NAN"  # ()
    NULL = "NULL"  # ()
    NEVER = "NEVER"  # ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """The form of a condition.

    Attributes:
        entity: what is tested.
        name: the attribute's or the dataset's field; empty for metrics, params and tags.
        function: of a metric's history.
        test: how it is tested.
        negated: the opposite, for whatever has the key.
        at: the place of its first constant among the filter's. The first of a metric, param or tag is
            what stands in the table for the key; the test's own follow.
        count: how many constants the test has.
        known: False when the key occurs nowhere.
    """

    entity: Entity
    name: str
    function: MetricFunction | None
    test: Test
    negated: bool
    at: int
    count: int
    known: bool = True

    @property
    def keyed(self) -> bool:
        """Whether it tests a metric, param or tag."""
        return not self.name

    @property
    def missing(self) -> bool:
        """Whether it asks for what has no such key or value."""
        return self.test is Test.NULL and not self.negated

    @property
    def never(self) -> bool:
        """Whether nothing can meet it."""
        return (self.test is Test.NEVER and not self.negated) or (not self.known and not self.missing)


@dataclass(frozen=True, slots=True)
class AllOf:
    """The form of AND."""

    terms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The form of OR."""

    terms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Complement:
    """The form of NOT."""

    term: Form


Form = AllOf | AnyOf | Complement | Leaf


class Column(Protocol):
    """What of an attribute decides about a condition's form; see `search_sql.Attribute`."""

    @property
    def names(self) -> Mapping[int, str] | None: ...
    @property
    def to_sql(self) -> Callable[[Value], Any] | None: ...
    @property
    def indexed(self) -> bool: ...


class Analysis:
    """Takes apart filters over one target.

    Args:
        attributes: the attributes by name.
        dialect: `sqlite` or `postgresql`.
        keys: what the key column holds for a key; a key that isn't here doesn't occur.
        constants: where the constants go, in the order in which the forms name them.
    """

    def __init__(
        self,
        attributes: Mapping[str, Column],
        dialect: str,
        keys: Mapping[str, Any],
        constants: list[Any],
    ) -> None:
        self._attributes = attributes
        self._dialect = dialect
        self._keys = keys
        self._constants = constants

    def form(self, node: Node) -> Form:
        """The form of a tree."""
        match node:
            case And(terms=terms):
                return AllOf(tuple([self.form(term) for term in terms]))
            case Or(terms=terms):
                return AnyOf(tuple([self.form(term) for term in terms]))
            case Not(term=term):
                return Complement(self.form(term))
            case _:
                return self._leaf(node)

    def _leaf(self, node: Condition) -> Leaf:
        field = node.field
        test, negated, values = self._test(node)
        at = len(self._constants)
        if field.entity in _FIXED:
            self._constants += values
            return Leaf(field.entity, field.key, None, test, negated, at, len(values))
        known = field.key in self._keys
        self._constants += [self._keys[field.key] if known else None, *values]
        return Leaf(field.entity, "", field.function, test, negated, at, len(values), known)

    def _test(self, node: Condition) -> tuple[Test, bool, Sequence[Any]]:
        if isinstance(node, IsNull):
            return Test.NULL, node.negated, ()
        entity, key = node.field.entity, node.field.key
        if entity is Entity.METRIC:
            return _whole_test(node) if node.field.function is MetricFunction.COUNT else _real_test(node)
        if entity is not Entity.ATTRIBUTE:
            return self._text_test(node, indexed=entity in _TEXTS)
        attribute = self._attributes[key]
        if attribute.names is not None:
            return Test.AMONG, False, [[n for n, name in attribute.names.items() if _holds(name, node)]]
        if attribute.to_sql is not None:
            return _converted_test(node, attribute.to_sql)
        sample = node.values[0] if isinstance(node, In) and node.values else getattr(node, "value", 0)
        if isinstance(sample, str):
            return self._text_test(node, indexed=attribute.indexed)
        return _whole_test(node)

    def _text_test(self, node: Condition, *, indexed: bool) -> tuple[Test, bool, Sequence[Any]]:
        if isinstance(node, In):
            texts = [str(value) for value in node.values]
            return Test.AMONG, node.negated, [texts, [text[:INDEXED_CHARACTERS] for text in texts]]
        assert isinstance(node, Comparison)  # noqa: S101 - the parser lets texts only be compared so
        value = str(node.value)
        if node.operator in _COMPARED:
            return _COMPARED[node.operator], False, [value]
        folded = node.operator in (Operator.ILIKE, Operator.NOT_ILIKE)
        negated = node.operator in (Operator.NOT_LIKE, Operator.NOT_ILIKE)
        _check_pattern(value)
        pattern = self._pattern(value, folded=folded)
        if folded:
            return Test.ILIKE, negated, [pattern]
        bounds = _bounds(value) if indexed and not negated else ()
        return Test.LIKE, negated, [pattern, *bounds]

    def _pattern(self, pattern: str, *, folded: bool) -> str:
        if self._dialect == "postgresql":
            # A backslash would escape; here it is a character like any other.
            return pattern.replace("\\", "\\\\")
        return pattern if folded else "".join([_GLOB.get(c, c) for c in pattern])


_FIXED = frozenset({Entity.ATTRIBUTE, Entity.DATASET, Entity.INPUT})
_TEXTS = frozenset({Entity.PARAM, Entity.TAG})
_GLOB = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
_COMPARED: Mapping[Operator, Test] = {
    Operator.EQ: Test.EQ,
    Operator.NE: Test.NE,
    Operator.GT: Test.GT,
    Operator.GE: Test.GE,
    Operator.LT: Test.LT,
    Operator.LE: Test.LE,
}
_PLAIN: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def _real_test(node: Condition) -> tuple[Test, bool, Sequence[Any]]:
    match node:
        case IsNan(negated=negated):
            return Test.NAN, negated, ()
        case In(values=values, negated=negated):
            # A power of two, so that lists of many lengths share few forms.
            rest = (1 << (len(values) - 1).bit_length()) - len(values)
            return Test.IN, negated, [*map(float, values), *[float(values[-1])] * rest]
        case Between(low=low, high=high, negated=negated):
            return Test.BETWEEN, negated, [float(low), float(high)]
        case Comparison(operator=op, value=value):
            return _COMPARED[op], False, [float(value)]
    raise AssertionError(node)


def _whole_test(node: Condition) -> tuple[Test, bool, Sequence[Any]]:
    """A test of whole numbers of 64 bits, whatever the constants are."""
    match node:
        case In(values=values, negated=negated):
            whole = [int(v) for v in values if math.isfinite(float(v)) and v == int(v) and int(v) in _INT64]
            return Test.AMONG, negated, [whole]
        case Between(low=low, high=high, negated=negated):
            first, last = _round_up(low), _round_down(high)
            if first > last:
                return (Test.NULL, True, ()) if negated else (Test.NEVER, False, ())
            return Test.BETWEEN, negated, [first, last]
        case Comparison(operator=op, value=value) if not isinstance(value, str):
            return _whole_comparison(op, value)
    raise AssertionError(node)


def _whole_comparison(op: Operator, value: int | float) -> tuple[Test, bool, Sequence[Any]]:
    low, high = _round_up(value), _round_down(value)
    if low == high:
        return _COMPARED[op], False, [low]
    # Between two whole numbers, or beyond them all.
    if op in (Operator.GT, Operator.GE) and low in _INT64:
        return Test.GE, False, [low]
    if op in (Operator.LT, Operator.LE) and high in _INT64:
        return Test.LE, False, [high]
    return (Test.NULL, True, ()) if op is Operator.NE else (Test.NEVER, False, ())


def _round_up(value: int | float) -> int:
    """The least whole number of 64 bits that isn't less, or the one after them all."""
    if value <= _INT64.start:
        return _INT64.start
    return _INT64.stop if value >= _INT64.stop else math.ceil(value)


def _round_down(value: int | float) -> int:
    """The greatest whole number of 64 bits that isn't greater, or the one before them all."""
    if value < _INT64.start:
        return _INT64.start - 1
    return _INT64.stop - 1 if value >= _INT64.stop else math.floor(value)


def _converted_test(node: Condition, to_sql: Callable[[Value], Any]) -> tuple[Test, bool, Sequence[Any]]:
    if isinstance(node, In):
        return Test.AMONG, node.negated, [[v for v in map(to_sql, node.values) if v is not None]]
    if not isinstance(node, Comparison) or node.operator not in (Operator.EQ, Operator.NE):
        return Test.NEVER, False, ()
    value = to_sql(node.value)
    if value is None:
        return (Test.NULL, True, ()) if node.operator is Operator.NE else (Test.NEVER, False, ())
    return _COMPARED[node.operator], False, [value]


def _holds(name: str, node: Condition) -> bool:
    """Whether a text meets a condition: decided here for the few names of an enumeration."""
    match node:
        case In(values=values, negated=negated):
            return (name in values) != negated
        case Comparison(operator=op, value=value) if op in _PLAIN:
            return bool(_PLAIN[op](name, value))
        case Comparison(operator=op, value=value):
            _check_pattern(str(value))
            flags = re.IGNORECASE | re.ASCII if op in (Operator.ILIKE, Operator.NOT_ILIKE) else 0
            found = re.fullmatch(_to_regex(str(value)), name, flags | re.DOTALL) is not None
            return found != (op in (Operator.NOT_LIKE, Operator.NOT_ILIKE))
    raise AssertionError(node)


def _to_regex(pattern: str) -> str:
    """A pattern of LIKE; runs of `%` are one, or a long one would take for ever."""
    return "".join([_REGEX.get(c) or re.escape(c) for c in re.sub("%+", "%", pattern)])


_REGEX = {"%": ".*", "_": "."}


def _check_pattern(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise InvalidArgument(
            f"A pattern in the filter has {len(pattern):,} characters; LIKE and ILIKE take {MAX_PATTERN:,}.",
            field="filter",
        )


def _bounds(pattern: str) -> tuple[str, str] | tuple[()]:
    """The least text that can match, and the least one after all that can; () when nothing is known."""
    start = re.split("[%_]", pattern, maxsplit=1)[0][:INDEXED_CHARACTERS]
    if start == pattern:
        return start, start + "\x01"
    for last in range(len(start) - 1, -1, -1):
        following = ord(start[last]) + 1
        if following == 0xD800:  # surrogates aren't characters
            following = 0xE000
        if following <= 0x10FFFF:
            return start, start[:last] + chr(following)
    return ()
