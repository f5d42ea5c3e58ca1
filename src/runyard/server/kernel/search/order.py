"""order_by clauses to checked terms.

    clause = operand [ ASC | DESC ]

Operands are those of a filter; the default direction is ascending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search.lexer import Token, TokenKind, tokenize, unquote
from runyard.server.kernel.search.operands import read_operand, resolve_name, resolve_qualified
from runyard.server.kernel.search.schema import Schema
from runyard.server.kernel.search.source import Source
from runyard.server.kernel.search.syntax import Entity, Field

MAX_ORDER_TERMS = 32
"""Clauses in one order_by list."""


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """Order by this field; rows without a value come last in either direction, NaN just before them."""

    field: Field
    ascending: bool = True


def parse_order_by(
    clauses: Sequence[str], schema: Schema, *, field: str = "order_by"
) -> tuple[OrderTerm, ...]:
    """The terms of an order_by list. A field's later occurrences order nothing and are left out.

    Raises:
        InvalidArgument: a clause is not `field [ASC | DESC]` over this schema (`field` names it, such as
            `order_by[1]`), or there are too many.
    """
    if len(clauses) > MAX_ORDER_TERMS:
        raise InvalidArgument(
            f"{field} has {len(clauses):,} clauses; the limit is {MAX_ORDER_TERMS}.", field=field
        )
    return distinct_terms(
        parse_order_term(clause, schema, field=f"{field}[{i}]") for i, clause in enumerate(clauses)
    )


def parse_order_term(text: str, schema: Schema, *, field: str = "order_by") -> OrderTerm:
    """The term of one clause, such as ``metrics.`val loss` DESC`` or `max(metrics.acc)`.

    Raises:
        InvalidArgument: the clause is not `field [ASC | DESC]` over this schema.
    """
    source = Source(text, field)
    source.check()
    tokens = tokenize(source)
    operand = read_operand(tokens, 0, schema, source)
    _check_sortable(operand.field, schema, source)
    token = tokens[operand.next]
    ascending = True
    if token.kind is TokenKind.WORD and (direction := token.text.upper()) in ("ASC", "DESC"):
        ascending = direction == "ASC"
        token = tokens[operand.next + 1]
    if token.kind is not TokenKind.END:
        found = source.quote(token.start, token.end)
        raise source.error(f"expected ASC, DESC or the end, found {found}.", token.start, token.end)
    return OrderTerm(operand.field, ascending)


def order_term(name: str, schema: Schema, *, ascending: bool, field: str = "order_by") -> OrderTerm:
    """The term for a plain field name: an attribute, or `metrics.` and a key that needs no quotes.

    MLflow orders logged models so, by names instead of clauses: everything after the dot is the key.

    Raises:
        InvalidArgument: the schema has no such field, or can't order by it.
    """
    source = Source(name, field)
    source.check()
    token = Token(TokenKind.QUALIFIED, name, 0, len(name))
    word, dot, key = name.partition(".")
    if len(key) > 2 and key[0] == key[-1] and key[0] in ("`", '"'):
        key = unquote(key)
    if dot:
        resolved, _ = resolve_qualified(word, key, token, schema, source)
    else:
        resolved, _ = resolve_name(Entity.ATTRIBUTE, name.strip(), token, schema, source)
    _check_sortable(resolved, schema, source)
    return OrderTerm(resolved, ascending)


def distinct_terms(terms: Iterable[OrderTerm]) -> tuple[OrderTerm, ...]:
    """The terms without those whose field occurs before."""
    first: dict[Field, OrderTerm] = {}
    for term in terms:
        first.setdefault(term.field, term)
    return tuple(first.values())


def _check_sortable(field: Field, schema: Schema, source: Source) -> None:
    if field.entity not in schema.sortable:
        legal = ", ".join([e.value for e in Entity if e in schema.sortable and schema.has(e)])
        what = f"{schema.noun} can't be ordered by {field.entity.value}; they can by {legal}."
        raise source.error(what, field.start, field.end)
