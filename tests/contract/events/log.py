"""What the tests of the log do to it."""

from __future__ import annotations

from typing import Any

from runyard.server import events
from runyard.server.db import Database
from runyard.server.db.database import open_dialect

TRIGGERS = ("event_unchanged", "event_undeleted", "event_untruncated")


def event(number: int, **fields: Any) -> events.Event:
    """An event that differs from the others by its number."""
    given: dict[str, Any] = {
        "time": 1_000 + number,
        "workspace_id": 1,
        "actor_id": 5,
        "actor": "ann",
        "credential": "password",
        "address": "10.0.0.1",
        "action": "experiment.delete",
        "target_type": "experiment",
        "target": str(number),
        **fields,
    }
    return events.Event(**given)


def append(database: Database, *numbers: int, **fields: Any) -> None:
    """Append events, each in a transaction of its own."""
    for number in numbers:
        database.write_from_thread(lambda tx, number=number: events.append(tx, [event(number, **fields)]))  # type: ignore[misc]


def seal(database: Database) -> int:
    """Seal a slice; returns how many events."""
    return database.write_from_thread(events.seal)


def sealed(database: Database, count: int) -> events.Head:
    """Append and seal this many events; returns the head."""
    append(database, *range(count))
    assert seal(database) == count
    return head(database)


def head(database: Database) -> events.Head:
    """How far the log is sealed."""
    return database.read_here(events.state).head


def all_of(database: Database, **wanted: Any) -> list[events.StoredEvent]:
    """The events that a filter finds, the newest first."""
    return database.read_here(
        lambda c: events.find(c, events.Filter(**wanted), position=None, limit=1_000_000)
    )


def unprotected(url: str, *statements: str) -> None:
    """What somebody can do who may drop the triggers."""
    dialect = open_dialect(url)
    connection = dialect.connect(readonly=False)
    try:
        for name in TRIGGERS:
            table = "" if dialect.name == "sqlite" else " ON event"
            connection.execute(f"DROP TRIGGER IF EXISTS {name}{table}")
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()
