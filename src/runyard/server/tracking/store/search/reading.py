"""What one search reads with: the connection's snapshot, the statements, and the values bound to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runyard.server.db import Connection, Query, Row
from runyard.server.db.search_forms import Analysis, Form
from runyard.server.kernel.search import Entity, Field, Node
from runyard.server.tracking.store.columns import RUN_TARGET
from runyard.server.tracking.store.search.order import Order
from runyard.server.tracking.store.search.statements import Statements

_NO_KEY = -1


@dataclass(frozen=True, slots=True)
class Ordering:
    """An order, and what its terms order by."""

    form: Order
    fields: tuple[Field, ...]

    @property
    def tail(self) -> Ordering:
        """The order of runs that are equal in the first term."""
        return Ordering(self.form.tail, self.fields[1:])


class Reading:
    """One search's reads.

    Args:
        connection: a snapshot.
        statements: the statements of this database system.
        keys: the ids of the keys that exist, of those that the search names.
    """

    def __init__(self, connection: Connection, statements: Statements, keys: Mapping[str, int]) -> None:
        self.connection = connection
        self.statements = statements
        self._keys = keys
        self._constants: list[Any] = []
        self._bound: dict[str, Any] = {}
        self._analysis = Analysis(RUN_TARGET.attributes, connection.dialect.name, keys, self._constants)

    def form(self, node: Node) -> Form:
        """The form of a tree, whose constants every statement is given from now on."""
        first = len(self._constants)
        form = self._analysis.form(node)
        self._bound |= {f"c{i}": self._constants[i] for i in range(first, len(self._constants))}
        return form

    def rows(
        self,
        query: Query,
        ordering: Ordering,
        position: Sequence[Any] | None,
        within: int | None = None,
        **params: Any,
    ) -> list[Row] | None:
        """The answer of a statement; None when it isn't there `within` so many milliseconds."""
        for i, field in enumerate(ordering.fields):
            params[f"k{i}"] = self._keys.get(field.key, _NO_KEY) if field.entity in _KEYED else _NO_KEY
        for i, value in enumerate(position or ()):
            params[f"p{i}"] = value
        if within is None:
            return self.connection.rows(query, **self._bound, **params)
        return self.connection.rows_within(query, within, **self._bound, **params)

    def sizes(self, experiments: Sequence[int], lifecycle: int, limit: int) -> list[Row]:
        """Each experiment that exists, and how many runs it has in a lifecycle, counted up to a limit."""
        query = self.statements.sizes()
        return self.connection.rows(query, experiments=list(experiments), lifecycle=lifecycle, limit=limit)

    def value(self, query: Query, **params: Any) -> Any:
        """The one value that a statement answers."""
        return self.connection.value(query, **self._bound, **params)


_KEYED = frozenset({Entity.METRIC, Entity.PARAM, Entity.TAG})
