"""Reading the log: those events that a filter wants, newest or oldest first, from any place on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from runyard.server.db import Connection
from runyard.server.db.sorting import SortKey, after
from runyard.server.events.tables import event as e
from runyard.server.events.types import MAX_TARGET, Filter, Position, StoredEvent

_SEARCHED = (e.c.actor, e.c.credential, e.c.address, e.c.action, e.c.target, e.c.detail)
# What both databases do to letters in this column: PostgreSQL's has no locale.
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def find(
    connection: Connection,
    wanted: Filter,
    *,
    position: Position | None,
    limit: int,
    newest_first: bool = True,
) -> list[StoredEvent]:
    """The next events in the order of their time; of those of one moment, of their ids.

    Args:
        connection: a snapshot.
        wanted: which events.
        position: the event after which to begin; None for the first.
        limit: how many.
        newest_first: the direction.
    """
    keys = [SortKey(column, ascending=not newest_first) for column in (e.c.time, e.c.id)]
    where = _conditions(wanted)
    if position is not None:
        where.append(after(keys, position))
    query = select(*e.c).where(*where).order_by(*(key.ordering for key in keys)).limit(limit)
    return [StoredEvent(*row) for row in connection.rows(query)]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    equal: Sequence[tuple[ColumnElement[Any], Any]] = (
        (e.c.actor, wanted.actor),
        (e.c.target_type, wanted.target_type),
        (e.c.target, wanted.target[:MAX_TARGET]),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value]
    if wanted.workspace_id is not None:
        found.append(e.c.workspace_id == wanted.workspace_id)
    if wanted.action:
        found.append(func.substr(e.c.action, 1, len(wanted.action)) == wanted.action)
    if wanted.since is not None:
        found.append(e.c.time >= wanted.since)
    if wanted.until is not None:
        found.append(e.c.time < wanted.until)
    if wanted.text:
        part = wanted.text.translate(_LOWER)
        found.append(or_(*(func.lower(column).contains(part, autoescape=True) for column in _SEARCHED)))
    return found
