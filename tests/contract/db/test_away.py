"""PostgreSQL that can't be reached: a request waits for one attempt to connect, not for several."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from runyard.server.db import Connection, Transaction
from runyard.server.db.database import Database
from runyard.server.db.postgresql import PostgreSQLDialect
from runyard.server.kernel.errors import Unavailable


class _Leaving(PostgreSQLDialect):
    """Counts the attempts to connect; they fail while it is away."""

    away = False
    attempts = 0

    def connect(self, *, readonly: bool) -> Any:
        self.attempts += 1
        if self.away:
            raise psycopg.OperationalError("connection timeout expired")
        return super().connect(readonly=readonly)


@pytest.fixture
def leaving(postgresql_url: str) -> _Leaving:
    return _Leaving(make_url(postgresql_url))


@pytest.fixture
def database(leaving: _Leaving) -> Iterator[Database]:
    opened = Database(leaving)
    opened.start()
    yield opened
    opened.close()


def _leave(leaving: _Leaving, url: str) -> None:
    """Cut every connection, and let nobody connect again."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    leaving.away, leaving.attempts = True, 0


def _write(tx: Transaction) -> int:
    found: int = tx.driver.execute("SELECT 1").fetchone()[0]
    return found


def _read(connection: Connection) -> int:
    found: int = connection.driver.execute("SELECT 2").fetchone()[0]
    return found


def test_a_write_tries_to_connect_once(database: Database, leaving: _Leaving, postgresql_url: str) -> None:
    _leave(leaving, postgresql_url)
    for attempts in (1, 2):
        with pytest.raises(Unavailable, match="can't be reached"):
            asyncio.run(database.write(_write))
        assert leaving.attempts == attempts
    # And when the database is back, so are writes
    leaving.away = False
    assert asyncio.run(database.write(_write)) == 1


def test_a_read_tries_to_connect_once(database: Database, leaving: _Leaving, postgresql_url: str) -> None:
    assert database.read_here(_read) == 2
    _leave(leaving, postgresql_url)
    for attempts in (1, 2):
        with pytest.raises(Unavailable, match="can't be reached"):
            database.read_here(_read)
        assert leaving.attempts == attempts
    # And when the database is back, so are reads
    leaving.away = False
    assert database.read_here(_read) == 2
