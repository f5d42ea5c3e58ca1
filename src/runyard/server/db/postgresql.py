"""PostgreSQL. Importing this takes as long as a tenth of a start, so only `open_dialect` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from runyard.server.db.dialects import Dialect, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import URL

    from runyard.server.db.compiled import Compiled

# A host that doesn't answer would keep a request waiting for minutes.
CONNECT_SECONDS = 5
# The planner knows how often a value occurs among all keys' values, which says little of one key's. Whoever
# searches has counted, and joins only few rows to others.
_ALONG_INDEXES = "; ".join(
    [
        "SET LOCAL plan_cache_mode = force_custom_plan",
        "SET LOCAL enable_seqscan = off",
        "SET LOCAL enable_hashjoin = off",
        "SET LOCAL enable_mergejoin = off",
        "SET LOCAL random_page_cost = 1.1",
    ]
)


class PostgreSQLDialect(Dialect):
    """PostgreSQL through psycopg 3.

    Args:
        url: the database's address.
    """

    name = "postgresql"
    inline_reads = False
    error = psycopg.Error

    def __init__(self, url: URL) -> None:
        self.sqlalchemy = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
        if "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def connect(self, *, readonly: bool) -> Any:
        # Autocommit: transactions are opened explicitly, as on SQLite.
        connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=3)
        if readonly:
            # Both are for queries of seconds: to start them takes longer than most of ours.
            connection.execute("SET jit = off; SET max_parallel_workers_per_gather = 0")
        else:
            # What is acknowledged must be on the disk, whatever the database's default is.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
        return connection

    def begin(self, connection: Any, *, readonly: bool) -> None:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if readonly else "BEGIN")

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def bind(self, compiled: Compiled, params: Any) -> Sequence[Any]:
        return compiled.bind(params)

    def execute_many(self, connection: Any, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)

    def begin_search(self, connection: Any, seconds: float) -> None:
        limit = f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"
        connection.execute(f"{limit}; {_ALONG_INDEXES}")

    def end_search(self, connection: Any) -> None:
        """Nothing: all settings end with the transaction."""

    def begin_attempt(self, connection: Any, milliseconds: int) -> None:
        connection.execute(f"SAVEPOINT attempt; SET LOCAL statement_timeout = {milliseconds}")

    def end_attempt(self, connection: Any, seconds: float) -> None:
        del seconds
        # Also brings back the limit that was in force before.
        connection.execute("ROLLBACK TO SAVEPOINT attempt")

    def in_transaction(self, connection: Any) -> bool:
        return bool(connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE)

    def fault(self, error: Exception) -> Fault:
        state = getattr(error, "sqlstate", None) or ""
        if state in ("40001", "40P01"):
            return Fault.RETRY
        if state in ("53100", "53400"):
            return Fault.FULL
        if state == "55P03":
            return Fault.BUSY
        if state == "57014":
            return Fault.STOPPED
        if state.startswith("23"):
            return Fault.INTEGRITY
        if state.startswith(("08", "57P")) or (not state and isinstance(error, psycopg.OperationalError)):
            return Fault.LOST
        return Fault.OTHER
