"""What a search means, run by run in plain Python: the measure for the SQL."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any

from runyard.server.kernel.search import (
    And,
    Between,
    Comparison,
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
    OrderTerm,
)
from tests.contract.tracking.runs import StoredRun

_COMPARED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def holds(node: Node, run: StoredRun) -> bool:
    """Whether a run meets a filter."""
    match node:
        case And(terms=terms):
            return all(holds(term, run) for term in terms)
        case Or(terms=terms):
            return any(holds(term, run) for term in terms)
        case Not(term=term):
            return not holds(term, run)
        case IsNull(field=field, negated=negated):
            return bool(_values(field, run)) == negated
        case _:
            return any(_meets(node, value) for value in _values(node.field, run))


def in_order(runs: Sequence[StoredRun], order: Sequence[OrderTerm]) -> list[StoredRun]:
    """Runs as a search lists them."""

    def compare(a: StoredRun, b: StoredRun) -> int:
        for term in order:
            left, right = _ranked(term.field, a), _ranked(term.field, b)
            if left[0] != right[0]:
                return int(left[0] - right[0])
            if left != right:
                return -1 if (left < right) == term.ascending else 1
        up = bool(order) and order[-1].field.key == "start_time" and order[-1].ascending
        return -1 if ((a.start_time, a.id) < (b.start_time, b.id)) == up else 1

    return sorted(runs, key=cmp_to_key(compare))


def _ranked(field: Field, run: StoredRun) -> tuple[Any, ...]:
    """A value's rank, and the value where it has one."""
    values = _values(field, run)
    if not values:
        return (2,)
    value = values[0]
    if isinstance(value, float) and math.isnan(value):
        return (1,)
    return (0, value.encode() if isinstance(value, str) else value)


def _values(field: Field, run: StoredRun) -> list[Any]:
    """The values of a field: one, none where it is missing, several of datasets."""
    if field.entity is Entity.METRIC:
        points = run.metrics.get(field.key)
        return [] if points is None else [_summary(points, field.function)]
    if field.entity in (Entity.PARAM, Entity.TAG):
        texts = run.params if field.entity is Entity.PARAM else run.tags
        return [texts[field.key]] if field.key in texts else []
    if field.entity is not Entity.ATTRIBUTE:
        return [getattr(use, field.key) for use in run.datasets]
    value = {
        "run_name": run.name,
        "status": run.status.name,
        "lifecycle_stage": run.lifecycle.name.lower(),
    }.get(field.key) or getattr(run, field.key if field.key != "run_name" else "name", None)
    return [] if value is None else [value]


def _summary(points: list[float], function: MetricFunction | None) -> float:
    numbers = [p for p in points if not math.isnan(p)]
    match function:
        case MetricFunction.FIRST:
            return points[0]
        case MetricFunction.COUNT:
            return len(points)
        case MetricFunction.MAX:
            return max(numbers, default=math.nan)
        case MetricFunction.MIN:
            return min(numbers, default=math.nan)
        case MetricFunction.MEAN:
            return sum(numbers) / len(numbers) if numbers else math.nan
        case _:
            return points[-1]


def _meets(node: Node, value: Any) -> bool:
    """Whether a value meets a condition; negated ones are the opposite of the plain ones."""
    match node:
        case Comparison(operator=op, value=constant) if op in _COMPARED:
            return _COMPARED[op](value, constant)
        case Comparison(operator=op, value=pattern):
            folded = op in (Operator.ILIKE, Operator.NOT_ILIKE)
            return _like(value, str(pattern), folded=folded) != (
                op in (Operator.NOT_LIKE, Operator.NOT_ILIKE)
            )
        case In(values=values, negated=negated):
            return (value in values) != negated
        case Between(low=low, high=high, negated=negated):
            return bool(low <= value <= high) != negated
        case IsNan(negated=negated):
            return math.isnan(value) != negated
    raise AssertionError(node)


def _like(text: str, pattern: str, *, folded: bool) -> bool:
    if folded:
        text, pattern = _folded(text), _folded(pattern)
    regex = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _folded(text: str) -> str:
    """Without the difference between capital and small letters, of ASCII alone."""
    return "".join(c.lower() if c.isascii() else c for c in text)
