"""Server processes that want the same thing at the same time; only PostgreSQL has several writers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from runyard.server.auth import LOCAL
from runyard.server.db.database import Database, open_dialect
from runyard.server.kernel.errors import AlreadyExists
from runyard.server.tracking.service import Experiments

_INSERT = """
INSERT INTO experiment (workspace_id, name, artifact_location, lifecycle, creation_time, last_update_time)
VALUES (1, 'race', '', 0, 1, 1)
"""
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def until_somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as watcher:
        for _ in range(100_000):
            if watcher.execute(_WAITING).fetchone() != (0,):
                return
    raise AssertionError("nobody waited for the other transaction")


def test_the_slower_of_two_creations_hears_that_the_name_is_taken(postgresql_url: str) -> None:
    database = Database(open_dialect(postgresql_url))
    database.start()
    with ThreadPoolExecutor(1) as thread, psycopg.connect(postgresql_url) as other:
        # Given another process that has created an experiment and not committed it yet
        other.execute(_INSERT)
        # When one of the same name is created, and then the other commits
        created = thread.submit(lambda: asyncio.run(Experiments(database).create(LOCAL, "race", None, [])))
        until_somebody_waits(postgresql_url)
        other.commit()
        # Then the answer is the one that clients know: they go on with the other's experiment
        with pytest.raises(AlreadyExists):
            created.result(10)
    database.close()
