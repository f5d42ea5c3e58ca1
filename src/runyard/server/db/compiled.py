"""A statement's text for one dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any


class Compiled:
    """SQL text for one dialect with the order in which the driver wants the parameters."""

    __slots__ = ("_defaults", "_names", "_pick", "sql")

    def __init__(self, sql: str, names: tuple[str, ...], defaults: Mapping[str, Any]) -> None:
        self.sql = sql
        self._names = names
        self._defaults = {k: v for k, v in defaults.items() if v is not None}
        self._pick: Callable[[Any], Any] | None = itemgetter(*names) if len(names) > 1 else None

    def bind(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters as the tuple that the driver takes."""
        values = {**self._defaults, **params} if self._defaults else params
        if self._pick is not None:
            return self._pick(values)  # type: ignore[no-any-return]
        return tuple(values[name] for name in self._names)
