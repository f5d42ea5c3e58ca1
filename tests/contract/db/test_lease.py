"""Leases on both databases."""

from __future__ import annotations

from runyard.server.db import Database
from runyard.server.db.lease import acquire, holder_of, release


def take(database: Database, holder: str, now_ms: int, ttl_ms: int = 100) -> bool:
    return database.write_from_thread(lambda tx: acquire(tx, "work", holder, now_ms=now_ms, ttl_ms=ttl_ms))


def held_by(database: Database, now_ms: int) -> str | None:
    return database.read_here(lambda connection: holder_of(connection, "work", now_ms=now_ms))


def test_a_free_lease_is_taken_by_one(database: Database) -> None:
    assert held_by(database, 0) is None
    assert take(database, "one", 1_000)
    assert not take(database, "other", 1_050)
    assert held_by(database, 1_050) == "one"


def test_the_holder_renews(database: Database) -> None:
    assert take(database, "one", 1_000)
    assert take(database, "one", 1_090)
    assert not take(database, "other", 1_150)


def test_a_lease_ends(database: Database) -> None:
    assert take(database, "one", 1_000)
    assert held_by(database, 1_100) is None
    assert take(database, "other", 1_100)
    assert not take(database, "one", 1_150)


def test_only_the_holder_gives_it_back(database: Database) -> None:
    assert take(database, "one", 1_000)
    database.write_from_thread(lambda tx: release(tx, "work", "other"))
    assert held_by(database, 1_001) == "one"
    database.write_from_thread(lambda tx: release(tx, "work", "one"))
    assert take(database, "other", 1_001)


def test_leases_of_other_names_are_others(database: Database) -> None:
    assert take(database, "one", 1_000)
    assert database.write_from_thread(lambda tx: acquire(tx, "play", "other", now_ms=1_000, ttl_ms=100))
