"""Reader connections, on PostgreSQL, where they can be lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg

from runyard.server.db import Connection
from runyard.server.db.database import READER_THREADS, Database, open_dialect


def test_reads_go_on_after_every_connection_was_lost(postgresql_url: str) -> None:
    database = Database(open_dialect(postgresql_url))
    together = Barrier(READER_THREADS)

    def one(connection: Connection) -> int:
        found: int = connection.driver.execute("SELECT 1").fetchone()[0]
        return found

    def together_with_others(connection: Connection) -> int:
        together.wait(10)
        return one(connection)

    # Given a pool that is full of connections, all of which the server has cut
    with ThreadPoolExecutor(READER_THREADS) as threads:
        reads = [threads.submit(database.read_here, together_with_others) for _ in range(READER_THREADS)]
        assert [read.result() for read in reads] == [1] * READER_THREADS
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        cut = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert cut == (READER_THREADS,)
    # When it is read again, as often as there were connections, Then every read is answered
    assert [database.read_here(one) for _ in range(READER_THREADS)] == [1] * READER_THREADS
    database.close()
