"""Orders rows so that a page can start after any of them: sort keys, and the condition of a page.

A key is an expression with a direction. Where a value may be missing or NaN, a rank before it puts these
last in either direction, as MLflow does: 0 a value, 1 NaN, 2 missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_

from runyard.server.kernel.errors import InvalidArgument


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


def unpack(packed: Sequence[Any], length: int) -> list[Any]:
    """The position that `pack` was given.

    Raises:
        InvalidArgument: it can't be one of this many keys.
    """
    try:
        values = [float.fromhex(v["f"]) if isinstance(v, dict) else v for v in packed]
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid() from error
    if len(values) != length or not all(v is None or isinstance(v, int | float | str) for v in values):
        raise _invalid()
    return values


def _invalid() -> InvalidArgument:
    return InvalidArgument(
        "Invalid page_token: it belongs to a search with another order. Start again without it.",
        field="page_token",
    )
