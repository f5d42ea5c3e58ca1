"""Lists in pages: each begins after the last item of the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from runyard.server.auth.records import Page
from runyard.server.db.sorting import invalid_position, is_value
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.paging import decode_token, encode_token

T = TypeVar("T")

MAX_PAGE = 1000


def begin(kind: str, limit: int, token: str | None, first: list[Any]) -> list[Any]:
    """The position after which a page begins.

    Args:
        kind: what is listed; a token of another list is refused.
        limit: the page's size.
        token: from the page before; None or empty for the first page.
        first: the position before everything; a token holds values of the same types.

    Raises:
        InvalidArgument: the size isn't allowed, or the token isn't one of this list.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidArgument(f"'limit' is 1 to {MAX_PAGE:,}, not {limit:,}.", field="limit")
    if not token:
        return first
    position = decode_token(kind, token)
    if len(position) != len(first) or not all(
        is_value(value, type(example)) for value, example in zip(position, first, strict=True)
    ):
        raise invalid_position()
    return position


def cut(kind: str, items: list[T], limit: int, position: Callable[[T], list[Any]]) -> Page[T]:
    """A page of `limit` items, made of one more where there are more."""
    if len(items) <= limit:
        return Page(items, None)
    return Page(items[:limit], encode_token(kind, position(items[limit - 1])))
