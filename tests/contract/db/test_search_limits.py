"""Searches end: after their time, or when an attempt takes too long."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, literal, select
from sqlalchemy.sql.functions import count

from runyard.server.db import Connection, Database, OutOfTime, Query

_numbers = select(literal(0, BigInteger).label("n")).cte("number", recursive=True)
_numbers = _numbers.union_all(select(_numbers.c.n + 1).where(_numbers.c.n < 10**12))
FOREVER = Query(select(count()).select_from(_numbers))
AT_ONCE = Query(select(literal(7, BigInteger)))


def test_a_search_is_stopped_after_its_time(database: Database) -> None:
    def search(connection: Connection) -> None:
        with connection.searching(seconds=0.2):
            connection.rows(FOREVER)

    with pytest.raises(OutOfTime):
        database.read_here(search)


def test_time_is_over_between_statements_too(database: Database) -> None:
    def search(connection: Connection) -> None:
        with connection.searching(seconds=-1):
            connection.check_time()

    with pytest.raises(OutOfTime):
        database.read_here(search)


def test_an_attempt_ends_and_the_search_goes_on(database: Database) -> None:
    def search(connection: Connection) -> list[object]:
        with connection.searching(seconds=60):
            return [
                connection.rows_within(FOREVER, milliseconds=5),
                connection.rows_within(AT_ONCE, milliseconds=1000),
                connection.rows(AT_ONCE),
                connection.rows_within(FOREVER, milliseconds=5),
            ]

    assert database.read_here(search) == [None, [(7,)], [(7,)], None]


def test_a_search_keeps_its_limit_after_an_attempt(database: Database) -> None:
    def search(connection: Connection) -> None:
        with connection.searching(seconds=0.2):
            connection.rows_within(AT_ONCE, milliseconds=1000)
            connection.rows(FOREVER)

    with pytest.raises(OutOfTime):
        database.read_here(search)


def test_the_connection_is_as_before_after_a_search(database: Database) -> None:
    # Given
    def search(connection: Connection) -> None:
        with connection.searching(seconds=0.1):
            connection.rows(FOREVER)

    with pytest.raises(OutOfTime):
        database.read_here(search)
    # When: more steps than an attempt or a look at the clock is apart
    few = select(literal(0, BigInteger).label("n")).cte("number", recursive=True)
    few = few.union_all(select(few.c.n + 1).where(few.c.n < 300_000))
    counted = database.read_here(lambda c: c.value(Query(select(count()).select_from(few))))
    # Then
    assert counted == 300_001
