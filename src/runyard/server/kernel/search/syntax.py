"""The syntax tree of a filter: what the parser gives and what the SQL compiler walks.

Logic is two-valued. A condition on a key that a row doesn't have is false, also with a negated operator
(`params.lr != '1'` and `params.lr NOT IN ('1')` ask for rows that have an `lr`); only `IS NULL` is true
there. `Not` is the plain complement: `NOT params.lr = '1'` includes the rows without an `lr`.

Every node knows where it stands in the source: `start` and `end` are offsets, end exclusive. They take
no part in comparisons, so two trees are equal when they mean the same.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from dataclasses import field as member

Value = str | int | float
"""A constant: text, a whole number, or a real number (which may be infinite but is never NaN)."""


class Entity(enum.Enum):
    """What a field belongs to; the value is its canonical spelling."""

    ATTRIBUTE = "attributes"
    METRIC = "metrics"
    PARAM = "params"
    TAG = "tags"
    DATASET = "datasets"
    INPUT = "inputs"


class MetricFunction(enum.Enum):
    """A summary of a metric's history. Without one, a metric stands for its last value."""

    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    FIRST = "first"
    LAST = "last"
    COUNT = "count"


class Operator(enum.Enum):
    """How a field is compared with one constant."""

    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    NOT_LIKE = "NOT LIKE"
    NOT_ILIKE = "NOT ILIKE"


@dataclass(frozen=True, slots=True)
class Field:
    """Something that has a value: an attribute, or a key of a metric, param, tag, dataset or input.

    `key` is never empty. Attributes carry their canonical name, whatever alias the source used.
    """

    entity: Entity
    key: str
    function: MetricFunction | None = None
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """True when all of its two or more terms are; none of them is an `And`."""

    terms: tuple[Node, ...]
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """True when one of its two or more terms is; none of them is an `Or`."""

    terms: tuple[Node, ...]
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The complement of its term."""

    term: Node
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`. For the LIKE operators the value is a pattern: `%` any text, `_` one
    character, no escape character."""

    field: Field
    operator: Operator
    value: Value
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class In:
    """`field [NOT] IN (values)`. An empty list comes only from a schema with `bare_values`."""

    field: Field
    values: tuple[Value, ...]
    negated: bool = False
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    """`field [NOT] BETWEEN low AND high`; both bounds belong to the range."""

    field: Field
    low: int | float
    high: int | float
    negated: bool = False
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field IS [NOT] NULL`: the row has no such key, or the attribute has no value."""

    field: Field
    negated: bool = False
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class IsNan:
    """`field = nan` or, negated, `field != nan`: the metric is there and its value is (not) NaN.

    A node of its own, so that no constant is NaN: NaN equals nothing, and databases disagree on it.
    """

    field: Field
    negated: bool = False
    start: int = member(default=0, compare=False)
    end: int = member(default=0, compare=False)


Condition = Comparison | In | Between | IsNull | IsNan
Node = And | Or | Not | Condition
