"""The search language of runs, experiments, models and logged models.

`parse_filter` and `parse_order_by` turn a request's texts into trees over a slice's `Schema`; whoever
has a database compiles the trees. What MLflow's servers accept is accepted here, with the same meaning.
"""

from __future__ import annotations

from runyard.server.kernel.search.canonical import canonical, field_text
from runyard.server.kernel.search.order import (
    MAX_ORDER_TERMS,
    OrderTerm,
    distinct_terms,
    order_term,
    parse_order_by,
    parse_order_term,
)
from runyard.server.kernel.search.parser import (
    MAX_DEPTH,
    MAX_PARENTHESES,
    MAX_TERMS,
    MAX_VALUES,
    parse_filter,
)
from runyard.server.kernel.search.schema import Attribute, Kind, Schema
from runyard.server.kernel.search.source import MAX_LENGTH
from runyard.server.kernel.search.syntax import (
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

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_ORDER_TERMS",
    "MAX_PARENTHESES",
    "MAX_TERMS",
    "MAX_VALUES",
    "And",
    "Attribute",
    "Between",
    "Comparison",
    "Condition",
    "Entity",
    "Field",
    "In",
    "IsNan",
    "IsNull",
    "Kind",
    "MetricFunction",
    "Node",
    "Not",
    "Operator",
    "Or",
    "OrderTerm",
    "Schema",
    "Value",
    "canonical",
    "distinct_terms",
    "field_text",
    "order_term",
    "parse_filter",
    "parse_order_by",
    "parse_order_term",
]
