"""Trees back to text. Parsing the text gives an equal tree."""

from __future__ import annotations

from runyard.server.kernel.search.lexer import BARE_KEY
from runyard.server.kernel.search.syntax import (
    And,
    Between,
    Comparison,
    Field,
    In,
    IsNan,
    IsNull,
    Node,
    Not,
    Or,
    Value,
)


def canonical(node: Node) -> str:
    """A filter that parses to this tree; the same text for equal trees."""
    match node:
        case And(terms):
            return " AND ".join(
                [_grouped(term) if isinstance(term, Or) else canonical(term) for term in terms]
            )
        case Or(terms):
            return " OR ".join([canonical(term) for term in terms])
        case Not(term):
            return f"NOT {_grouped(term) if isinstance(term, And | Or) else canonical(term)}"
        case Comparison(field, operator, value):
            return f"{field_text(field)} {operator.value} {_value_text(value)}"
        case In(field, values, negated):
            listed = ", ".join([_value_text(value) for value in values])
            return f"{field_text(field)} {_not(negated)}IN ({listed})"
        case Between(field, low, high, negated):
            return f"{field_text(field)} {_not(negated)}BETWEEN {_value_text(low)} AND {_value_text(high)}"
        case IsNull(field, negated):
            return f"{field_text(field)} IS {_not(negated)}NULL"
        case IsNan(field, negated):
            return f"{field_text(field)} {'!=' if negated else '='} nan"


def field_text(field: Field) -> str:
    """A field as a filter or an order_by clause spells it."""
    key = field.key
    if not BARE_KEY.fullmatch(key):
        key = f"`{key.replace('`', '``')}`"
    name = f"{field.entity.value}.{key}"
    return name if field.function is None else f"{field.function.value}({name})"


def _grouped(node: Node) -> str:
    return f"({canonical(node)})"


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _value_text(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value.replace(chr(39), chr(39) * 2)}'"
    return repr(value)
