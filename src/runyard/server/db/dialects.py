"""What differs between database systems: the base of the dialects, and SQLite's.

PostgreSQL's is in `postgresql`, which is imported only where that database is used.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy.dialects import sqlite

from runyard.server.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import FromClause, Table
    from sqlalchemy.engine import Dialect as SQLAlchemyDialect

    from runyard.server.db.compiled import Compiled


class Cursor(Protocol):
    """The part of a DBAPI cursor that is used."""

    rowcount: int

    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...


class DriverConnection(Protocol):
    """The part of a DBAPI connection that is used; both drivers run statements on it directly."""

    def execute(self, sql: str, params: Sequence[Any] = ..., /) -> Cursor: ...
    def close(self) -> None: ...


class Fault(Enum):
    """What a driver's error means to the writer."""

    RETRY = "retry"  # deadlock, serialization failure: the same group may succeed when run again
    LOST = "lost"  # the connection is gone
    FULL = "full"  # no room on the disk
    BUSY = "busy"  # somebody else holds the lock for too long
    INTEGRITY = "integrity"  # a constraint refused a row
    STOPPED = "stopped"  # by one of the limits that the dialect was told
    OTHER = "other"


class Dialect(ABC):
    """One database system."""

    name: str
    sqlalchemy: SQLAlchemyDialect
    # True where a point read is so cheap that a hop to a thread would cost more.
    inline_reads: bool
    error: type[Exception]

    @abstractmethod
    def connect(self, *, readonly: bool) -> Any:
        """A new driver connection."""

    @abstractmethod
    def begin(self, connection: Any, *, readonly: bool) -> None:
        """Start a transaction: for writing, or a snapshot for reading."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT and RETURNING."""

    @abstractmethod
    def bind(self, compiled: Compiled, params: Any) -> Sequence[Any]:
        """The parameters in the driver's form."""

    @abstractmethod
    def execute_many(self, connection: Any, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for many rows."""

    @abstractmethod
    def in_transaction(self, connection: Any) -> bool:
        """Whether a transaction is open."""

    @abstractmethod
    def fault(self, error: Exception) -> Fault:
        """What an error of the driver means."""

    @abstractmethod
    def begin_search(self, connection: Any, seconds: float) -> None:
        """Prepare a transaction for reading along indexes, and stop it (`Fault.STOPPED`) this much later."""

    @abstractmethod
    def end_search(self, connection: Any) -> None:
        """End what `begin_search` began, whatever became of it."""

    @abstractmethod
    def begin_attempt(self, connection: Any, milliseconds: int) -> None:
        """Stop the next statement of a search (`Fault.STOPPED`) when it takes about this long."""

    @abstractmethod
    def end_attempt(self, connection: Any, seconds: float) -> None:
        """End an attempt, whatever became of it; `seconds` are left for the search."""

    def stored_bytes(self) -> int | None:
        """The size of the database's files; None where they aren't this machine's."""
        return None


class _WithHints(sqlite.base.SQLiteCompiler):
    """Writes the hints of `Select.with_hint` behind a table: `INDEXED BY ...`, `NOT INDEXED`."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        del table
        return text


_SQLITE_FULL, _SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_IOERR, _SQLITE_INTERRUPT = 13, 5, 6, 10, 9
# Instructions of SQLite's machine: a look at the clock costs as much as a few hundred.
_BETWEEN_LOOKS = 200_000
_A_MILLISECOND = 30_000


class SQLiteDialect(Dialect):
    """SQLite in one file: WAL, synchronous=FULL, incremental vacuum.

    Args:
        path: the database file; its folder exists.
        max_bytes: a limit on the file's size; None for none.
    """

    name = "sqlite"
    inline_reads = True
    error = sqlite3.Error

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.sqlalchemy = sqlite.dialect(paramstyle="qmark")
        self.sqlalchemy.statement_compiler = _WithHints
        self._json = msgspec.json.Encoder()

    def connect(self, *, readonly: bool) -> sqlite3.Connection:
        if not readonly:
            self._make()
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        run = connection.execute
        if not readonly:
            # Before the first table, or purged bytes never come back.
            run("PRAGMA auto_vacuum=INCREMENTAL")
            run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        run("PRAGMA busy_timeout=10000")
        run("PRAGMA foreign_keys=ON")
        run("PRAGMA temp_store=MEMORY")
        run("PRAGMA cache_size=-16384")
        run("PRAGMA mmap_size=268435456")
        if readonly:
            run("PRAGMA query_only=ON")
        else:
            # Pages of the hot indexes are written again and again: copy them back less often.
            run("PRAGMA wal_autocheckpoint=8192")
            run("PRAGMA journal_size_limit=67108864")
            self._limit_size(connection)
        return connection

    def _make(self) -> None:
        """Make the file where there is none, for its owner only; SQLite gives its log the same mode."""
        # One that is there isn't opened: to close it again would drop the locks that SQLite has on it.
        with suppress(OSError):  # SQLite says it better
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def stored_bytes(self) -> int | None:
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _limit_size(self, connection: sqlite3.Connection) -> None:
        if self.max_bytes is not None:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={max(1, self.max_bytes // page)}")

    def begin(self, connection: sqlite3.Connection, *, readonly: bool) -> None:
        connection.execute("BEGIN" if readonly else "BEGIN IMMEDIATE")

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def bind(self, compiled: Compiled, params: Any) -> Sequence[Any]:
        values = compiled.bind(params)
        if any(type(v) is list for v in values):
            return tuple(self._json.encode(v).decode() if type(v) is list else v for v in values)
        return values

    def execute_many(self, connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        connection.executemany(sql, rows)

    def begin_search(self, connection: sqlite3.Connection, seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        connection.set_progress_handler(lambda: clock.monotonic() > deadline, _BETWEEN_LOOKS)

    def end_search(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(None, 0)

    def begin_attempt(self, connection: sqlite3.Connection, milliseconds: int) -> None:
        # Counted, not timed: a busy machine doesn't change what a search does.
        connection.set_progress_handler(lambda: True, milliseconds * _A_MILLISECOND)

    def end_attempt(self, connection: sqlite3.Connection, seconds: float) -> None:
        self.begin_search(connection, seconds)

    def in_transaction(self, connection: sqlite3.Connection) -> bool:
        return connection.in_transaction

    def fault(self, error: Exception) -> Fault:
        if isinstance(error, sqlite3.IntegrityError):
            return Fault.INTEGRITY
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == _SQLITE_FULL:
            return Fault.FULL
        if code in (_SQLITE_BUSY, _SQLITE_LOCKED):
            return Fault.BUSY
        if code == _SQLITE_INTERRUPT:
            return Fault.STOPPED
        return Fault.FULL if code == _SQLITE_IOERR and _disk_is_full(self.path) else Fault.OTHER


def _disk_is_full(path: Path) -> bool:
    room = os.statvfs(path.parent)
    return room.f_bavail * room.f_frsize < 1 << 20
