"""Orders rows so that a page can start after any of them: sort keys, and the condition of a page.

A key is an expression with a direction. Where a value may be missing or NaN, a rank before it puts these
last in either direction, as MLflow does: 0 a value, 1 NaN, 2 missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import OrderTerm, field_text

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One expression to order by; it must not be NULL, or stand behind a rank that tells."""

    expression: ColumnElement[Any]
    ascending: bool = True
    # True where the key before it is this one's rank: the value counts only at rank 0.
    ranked: bool = False

    @property
    def ordering(self) -> ColumnElement[Any]:
        """The term of ORDER BY."""
        return self.expression.asc() if self.ascending else self.expression.desc()


def after(keys: Sequence[SortKey], position: Sequence[Any]) -> ColumnElement[bool]:
    """The rows that come after the one whose keys have the values of `position`: constants or parameters."""
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for key, value in zip(keys, position, strict=True):
        if key.ranked and value is None:
            continue
        bound = _bound(value)
        beyond = key.expression > bound if key.ascending else key.expression < bound
        alternatives.append(and_(*equal, beyond))
        equal.append(key.expression == bound)
    first = keys[0]
    start = _bound(position[0])
    bounded = first.expression >= start if first.ascending else first.expression <= start
    # The first key's bound is implied by the rest; said alone it lets an index start there.
    return and_(bounded, or_(*alternatives)) if position[0] is not None else or_(*alternatives)


def _bound(value: Any) -> ColumnElement[Any]:
    return value if isinstance(value, ColumnElement) else literal(value)


def pack(position: Sequence[Any]) -> list[Any]:
    """A position as JSON values: JSON has no infinities."""
    return [{"f": value.hex()} if isinstance(value, float) else value for value in position]


def token_kind(noun: str, order: Sequence[OrderTerm]) -> str:
    """What is paged, for `kernel.paging`: things, in an order that other orders are hardly taken for."""
    text = ",".join([f"{field_text(term.field)} {term.ascending}" for term in order])
    return f"{noun} {zlib.crc32(text.encode()):x}"


def is_value(value: Any, kind: type) -> bool:
    """Whether a value from outside is of a type (`int`, `float`, `str`) as both databases hold it."""
    if type(value) is not kind:
        return False
    if isinstance(value, str):
        return "\0" not in value
    return value in _INT64 if isinstance(value, int) else value == value  # noqa: PLR0124 - NaN isn't


def checked(keys: Sequence[SortKey], position: Sequence[Any]) -> list[Any]:
    """A position from outside, in an order without ranks.

    Raises:
        InvalidArgument: it can't be one of these keys.
    """
    if len(position) != len(keys) or not all(
        is_value(value, key.expression.type.python_type) for value, key in zip(position, keys, strict=True)
    ):
        raise invalid_position()
    return list(position)


def unpack(packed: Sequence[Any], length: int) -> list[Any]:
    """The position that `pack` was given.

    Raises:
        InvalidArgument: it can't be one of this many keys.
    """
    try:
        values = [float.fromhex(v["f"]) if isinstance(v, dict) else v for v in packed]
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_position() from error
    if len(values) != length or not all(v is None or isinstance(v, int | float | str) for v in values):
        raise invalid_position()
    return values


def invalid_position() -> InvalidArgument:
    """The error for a token that holds no position of the search."""
    return InvalidArgument(
        "Invalid page_token: it belongs to a search with another order. Start again without it.",
        field="page_token",
    )
