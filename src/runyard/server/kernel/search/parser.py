"""Filters to checked trees.

    filter     = [ either ]
    either     = both { OR both }
    both       = unary { AND unary }
    unary      = NOT unary | "(" either ")" | condition
    condition  = operand ( comparator value
                         | [NOT] LIKE text | [NOT] ILIKE text
                         | [NOT] IN "(" value { "," value } [","] ")"
                         | [NOT] BETWEEN value AND value
                         | IS [NOT] NULL )
    operand    = field | function "(" field ")"
    field      = [ entity "." ] key

MLflow's looseness is kept: a spare AND at the start, at the end or beside another one, and conditions
that follow each other without AND. One meaning differs from MLflow's, whose parser keeps both quotes of
a doubled one: `'it''s'` is the text it's.
"""

from __future__ import annotations

import math

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search.lexer import Token, TokenKind, tokenize
from runyard.server.kernel.search.operands import Operand, read_number, read_operand, read_value, shown
from runyard.server.kernel.search.schema import Kind, Schema
from runyard.server.kernel.search.source import Source
from runyard.server.kernel.search.syntax import (
    And,
    Between,
    Comparison,
    Condition,
    Field,
    In,
    IsNan,
    IsNull,
    Node,
    Not,
    Operator,
    Or,
    Value,
)

MAX_TERMS = 500
"""Conditions in one filter; SQLite takes expressions up to 1,000 operators deep, ANDs in a row included."""
MAX_PARENTHESES = 100
"""Open parentheses and NOTs at one place of the text."""
MAX_DEPTH = 20
"""Levels of AND, OR and NOT within each other, in the tree; SQLite's parser overflows at about 25."""
MAX_VALUES = 10_000
"""Values in all IN lists of a filter; SQLite takes 32,766 variables in a statement."""

_COMPARATORS = {
    operator.value: operator
    for operator in (Operator.EQ, Operator.NE, Operator.GT, Operator.GE, Operator.LT, Operator.LE)
}
_LIKE = {
    ("LIKE", False): Operator.LIKE,
    ("ILIKE", False): Operator.ILIKE,
    ("LIKE", True): Operator.NOT_LIKE,
    ("ILIKE", True): Operator.NOT_ILIKE,
}
_EQUALITY = frozenset({Operator.EQ, Operator.NE})
_MEANT = {
    "==": "=",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "~": "LIKE",
    "=~": "LIKE",
    "RLIKE": "LIKE",
    "REGEXP": "LIKE",
    "CONTAINS": "LIKE",
}
_LEGAL = {
    Kind.STRING: "=, !=, LIKE, ILIKE, IN or IS NULL",
    Kind.ID: "=, !=, IN or IS NULL",
    Kind.NUMBER: "=, !=, <, <=, >, >=, BETWEEN, IN or IS NULL",
    Kind.INTEGER: "=, !=, <, <=, >, >=, BETWEEN, IN or IS NULL",
    Kind.TIMESTAMP: "=, !=, <, <=, >, >=, BETWEEN, IN or IS NULL",
}
_NAME_KINDS = frozenset({TokenKind.QUALIFIED, TokenKind.WORD, TokenKind.NAME})
_CONDITION_WORDS = frozenset({"LIKE", "ILIKE", "IN", "BETWEEN", "IS", "NOT"})


def parse_filter(text: str | None, schema: Schema, *, field: str = "filter") -> Node | None:
    """The tree of a filter, or None when it's empty and thus lets everything pass.

    Args:
        text: what the caller wrote.
        schema: the fields that exist; names in the tree are canonical, constants have their kind's type.
        field: path of the filter in the request, for errors.

    Raises:
        InvalidArgument: the text isn't a filter over this schema; the message points at the column and
            says what would be legal there.
    """
    if not text:
        return None
    source = Source(text, field)
    source.check()
    return _Parser(source, schema).parse()


class _Parser:
    """Recursive descent over the tokens; each method leaves `_index` behind what it read."""

    __slots__ = ("_index", "_open", "_schema", "_source", "_terms", "_tokens", "_values")

    def __init__(self, source: Source, schema: Schema) -> None:
        self._source = source
        self._schema = schema
        self._tokens = tokenize(source)
        self._index = 0
        self._open = 0
        self._terms = 0
        self._values = 0

    def parse(self) -> Node | None:
        while self._at("AND"):
            self._index += 1
        if self._tokens[self._index].kind is TokenKind.END:
            return None
        node = self._either()
        token = self._tokens[self._index]
        if token.kind is not TokenKind.END:
            raise self._unexpected(token, "AND, OR or the end")
        self._check_depth(node, 1)
        return node

    def _either(self) -> Node:
        terms = [self._both()]
        while self._at("OR"):
            self._index += 1
            terms.append(self._both())
        if len(terms) == 1:
            return terms[0]
        flat: list[Node] = []
        for term in terms:
            flat.extend(term.terms if isinstance(term, Or) else (term,))
        return Or(tuple(flat), terms[0].start, terms[-1].end)

    def _both(self) -> Node:
        terms = [self._unary()]
        while True:
            if self._at("AND"):
                while self._at("AND"):
                    self._index += 1
                if self._tokens[self._index].kind is TokenKind.END:
                    break
            elif not self._at_condition():
                break
            terms.append(self._unary())
        if len(terms) == 1:
            return terms[0]
        flat: list[Node] = []
        for term in terms:
            flat.extend(term.terms if isinstance(term, And) else (term,))
        return And(tuple(flat), terms[0].start, terms[-1].end)

    def _unary(self) -> Node:
        token = self._tokens[self._index]
        if token.kind is TokenKind.OPEN:
            self._enter(token)
            node = self._either()
            close = self._tokens[self._index]
            if close.kind is not TokenKind.CLOSE:
                raise self._unexpected(close, f"AND, OR or the `)` for the `(` in column {token.start + 1}")
            self._index += 1
            self._open -= 1
            return node
        if token.kind is TokenKind.KEYWORD and token.text == "NOT":
            self._enter(token)
            term = self._unary()
            self._open -= 1
            return Not(term, token.start, term.end)
        return self._condition()

    def _enter(self, token: Token) -> None:
        self._index += 1
        self._open += 1
        if self._open > MAX_PARENTHESES:
            raise self._error(token, f"more than {MAX_PARENTHESES} parentheses and NOTs within each other.")

    def _condition(self) -> Condition:
        first = self._tokens[self._index]
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._error(
                first, f"more than {MAX_TERMS} conditions. An IN list takes many values at once."
            )
        operand = read_operand(self._tokens, self._index, self._schema, self._source)
        self._index = operand.next
        token = self._tokens[self._index]
        if token.kind is TokenKind.OPERATOR:
            return self._comparison(operand, token)
        negated = token.kind is TokenKind.KEYWORD and token.text == "NOT"
        if negated:
            token = self._tokens[self._index + 1]
        if token.kind is TokenKind.KEYWORD:
            word = token.text
            if word in ("LIKE", "ILIKE"):
                return self._like(operand, token, negated)
            if word == "IN":
                return self._in(operand, negated)
            if word == "BETWEEN":
                return self._between(operand, token, negated)
            if word == "IS" and not negated:
                return self._is_null(operand.field)
        raise self._no_operator(operand, self._tokens[self._index])

    def _comparison(self, operand: Operand, token: Token) -> Condition:
        field, kind = operand.field, operand.kind
        operator = _COMPARATORS.get(token.text)
        if operator is None or (kind.is_text and operator not in _EQUALITY):
            raise self._no_operator(operand, token)
        self._index += 1
        value, end = self._value(field, kind)
        if isinstance(value, float) and math.isnan(value):
            if operator not in _EQUALITY:
                raise self._error(token, "NaN has no order; compare it with = or !=.")
            return IsNan(field, operator is Operator.NE, field.start, end)
        return Comparison(field, operator, value, field.start, end)

    def _like(self, operand: Operand, token: Token, negated: bool) -> Comparison:
        field = operand.field
        if operand.kind is not Kind.STRING:
            raise self._no_operator(operand, token)
        self._index += 1 + negated
        value, end = self._value(field, operand.kind)
        return Comparison(field, _LIKE[token.text, negated], value, field.start, end)

    def _in(self, operand: Operand, negated: bool) -> In:
        field = operand.field
        self._index += 1 + negated
        token = self._tokens[self._index]
        if token.kind is not TokenKind.OPEN:
            raise self._unexpected(token, "a list in parentheses after IN, such as ('a', 'b')")
        self._index += 1
        values: list[Value] = []
        while (token := self._tokens[self._index]).kind is not TokenKind.CLOSE:
            self._values += 1
            if self._values > MAX_VALUES:
                raise self._error(token, f"more than {MAX_VALUES:,} values in IN lists.")
            value, _ = self._value(field, operand.kind)
            self._refuse_nan(value, token)
            values.append(value)
            token = self._tokens[self._index]
            if token.kind is TokenKind.COMMA:
                self._index += 1
            elif token.kind is not TokenKind.CLOSE:
                raise self._unexpected(token, "`,` or `)` in the IN list")
        if not values and not self._schema.bare_values:
            raise self._error(token, "an IN list needs at least one value.")
        self._index += 1
        return In(field, tuple(values), negated, field.start, token.end)

    def _between(self, operand: Operand, token: Token, negated: bool) -> Between:
        field, kind = operand.field, operand.kind
        if kind.is_text:
            raise self._no_operator(operand, token)
        self._index += 1 + negated
        low, _ = self._bound(field, kind)
        if not self._at("AND"):
            raise self._unexpected(self._tokens[self._index], "AND and the upper bound of BETWEEN")
        self._index += 1
        high, end = self._bound(field, kind)
        return Between(field, low, high, negated, field.start, end)

    def _is_null(self, field: Field) -> IsNull:
        self._index += 1
        negated = self._at("NOT")
        if negated:
            self._index += 1
        token = self._tokens[self._index]
        if not self._at("NULL"):
            raise self._unexpected(token, "NULL" if negated else "NULL or NOT NULL")
        self._index += 1
        return IsNull(field, negated, field.start, token.end)

    def _value(self, field: Field, kind: Kind) -> tuple[Value, int]:
        token = self._tokens[self._index]
        value = read_value(token, field, kind, self._schema, self._source)
        self._index += 1
        return value, token.end

    def _bound(self, field: Field, kind: Kind) -> tuple[int | float, int]:
        token = self._tokens[self._index]
        value = read_number(token, field, kind, self._source)
        self._refuse_nan(value, token)
        self._index += 1
        return value, token.end

    def _refuse_nan(self, value: Value, token: Token) -> None:
        if isinstance(value, float) and math.isnan(value):
            raise self._error(token, "NaN can't stand here; compare it with = or !=.")

    def _at(self, keyword: str) -> bool:
        token = self._tokens[self._index]
        return token.kind is TokenKind.KEYWORD and token.text == keyword

    def _at_condition(self) -> bool:
        """Whether a condition begins here; the second token decides, so that a stray word isn't one."""
        if self._tokens[self._index].kind not in _NAME_KINDS:
            return False
        token = self._tokens[self._index + 1]
        return token.kind is TokenKind.OPERATOR or (
            token.kind is TokenKind.KEYWORD and token.text in _CONDITION_WORDS
        )

    def _check_depth(self, node: Node, depth: int) -> None:
        if isinstance(node, And | Or | Not):
            if depth > MAX_DEPTH:
                what = f"more than {MAX_DEPTH} levels of AND, OR and NOT within each other."
                raise self._source.error(what, node.start, node.end)
            for term in (node.term,) if isinstance(node, Not) else node.terms:
                self._check_depth(term, depth + 1)

    def _error(self, token: Token, what: str) -> InvalidArgument:
        return self._source.error(what, token.start, token.end)

    def _unexpected(self, token: Token, expected: str) -> InvalidArgument:
        found = self._source.quote(token.start, token.end)
        return self._error(token, f"expected {expected}, found {found}.")

    def _no_operator(self, operand: Operand, token: Token) -> InvalidArgument:
        name = shown(operand.field)
        found = self._source.quote(token.start, token.end)
        what = f"{name} is {operand.kind.value}: expected {_LEGAL[operand.kind]}, found {found}."
        if meant := _MEANT.get(token.text.upper()):
            what += f" Did you mean {meant}?"
        elif token.kind in _NAME_KINDS or token.kind is TokenKind.STRING:
            what += " A name with spaces or special characters goes in backticks: metrics.`my key`."
        return self._error(token, what)
