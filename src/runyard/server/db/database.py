"""The database as the services see it: `read` and `write`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from runyard.server.db.connection import Connection, Transaction
from runyard.server.db.connector import Connector, unreachable
from runyard.server.db.dialects import Dialect, Fault, SQLiteDialect
from runyard.server.db.writer import Bulk, Writer
from runyard.server.kernel.errors import InvalidArgument, RunyardError, Unavailable

T = TypeVar("T")

log = logging.getLogger("runyard.db")

READER_THREADS = 8
PING_SECONDS = 5


def open_dialect(url: str, *, max_bytes: int | None = None) -> Dialect:
    """The dialect that a database address names: `sqlite:///path` or `postgresql://...`.

    Raises:
        InvalidArgument: the address can't be read or names another system.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidArgument(
            "The database address isn't a URL; use sqlite:///path/to/file.db or "
            "postgresql://user:password@host/name.",
            field="database",
        ) from error
    system = parsed.get_backend_name()
    if system == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise InvalidArgument(
                "SQLite needs a file: sqlite:///relative/path.db or sqlite:////absolute/path.db.",
                field="database",
            )
        return SQLiteDialect(Path(parsed.database), max_bytes)
    if system in ("postgresql", "postgres"):
        return _postgresql(parsed)
    raise InvalidArgument(
        f"The database system {system!r} isn't supported; use sqlite or postgresql.", field="database"
    )


def _postgresql(url: URL) -> Dialect:
    try:
        # The driver is an optional package, and a start with SQLite doesn't need it.
        from runyard.server.db.postgresql import PostgreSQLDialect
    except ImportError as error:
        raise InvalidArgument(
            "PostgreSQL needs the psycopg driver: pip install 'runyard[postgresql]'", field="database"
        ) from error
    return PostgreSQLDialect(url)


class Database:
    """One group-commit writer and many readers.

    Args:
        dialect: which database.
        observe_group: called after each group of writes with its size and seconds.
    """

    def __init__(self, dialect: Dialect, observe_group: Callable[[int, float], None] | None = None) -> None:
        self.dialect = dialect
        self._connector = connector = Connector(dialect)
        self._writer = Writer(dialect, connector, observe_group)
        self._threads = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="runyard-reader")
        self._local = threading.local()
        self._opened: list[Any] = []
        self._later: set[asyncio.Future[None]] = set()
        self._pool: QueuePool | None = None
        if not dialect.inline_reads:
            self._pool = QueuePool(
                lambda: connector.connect(readonly=True), pool_size=READER_THREADS, max_overflow=4, timeout=10
            )

    def start(self) -> None:
        """Connect the writer. The schema must be current (`migrate.upgrade`)."""
        self._writer.start()

    def write_later(self, mutation: Callable[[Transaction], None]) -> None:
        """Run a mutation in one of the next groups; nobody waits for it, and a failure is only logged."""
        future = asyncio.ensure_future(self._writer.run(mutation))
        self._later.add(future)
        future.add_done_callback(self._end_later)

    def _end_later(self, future: asyncio.Future[None]) -> None:
        self._later.discard(future)
        if not future.cancelled() and future.exception() is not None:
            log.warning("a write in the background failed: %s", future.exception())

    def close(self) -> None:
        """Commit what waits and close every connection."""
        self._writer.close()
        self._threads.shutdown(wait=True)
        if self._pool is not None:
            self._pool.dispose()
        for connection in self._opened:
            connection.close()

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """A snapshot for reading, in this thread.

        Keep it short, and never hold it while a response is sent.
        """
        if self._pool is None:
            yield from self._read_own()
        else:
            yield from self._read_pooled(self._pool)

    def _read_own(self) -> Iterator[Connection]:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = Connection(self.dialect, self._connector.connect(readonly=True))
            self._local.connection = connection
            self._opened.append(connection.driver)
        self.dialect.begin(connection.driver, readonly=True)
        try:
            yield connection
        finally:
            connection.driver.execute("COMMIT")

    def _read_pooled(self, pool: QueuePool) -> Iterator[Connection]:
        pooled = pool.connect()
        try:
            driver = pooled.driver_connection
            self.dialect.begin(driver, readonly=True)
            yield Connection(self.dialect, driver)
            pooled.driver_connection.execute("COMMIT")  # type: ignore[union-attr]
        except RunyardError:
            pooled.driver_connection.execute("ROLLBACK")  # type: ignore[union-attr]
            raise
        except Exception as error:
            pooled.invalidate(error)
            raise
        finally:
            pooled.close()

    def read_here(self, query: Callable[[Connection], T]) -> T:
        """Run a function of a snapshot in this thread; lost connections are replaced once."""
        try:
            with self.reader() as connection:
                return query(connection)
        except self.dialect.error as error:
            if self.dialect.fault(error) is not Fault.LOST:
                raise
            self._forget_pooled()
        try:
            with self.reader() as connection:
                return query(connection)
        except self.dialect.error as error:
            if self.dialect.fault(error) is Fault.LOST:
                raise unreachable() from error
            raise

    def _forget_pooled(self) -> None:
        """Start with fresh connections: where one is lost, the others that wait in the pool are too."""
        if self._pool is not None:
            lost, self._pool = self._pool, self._pool.recreate()
            lost.dispose()

    @property
    def waiting(self) -> int:
        """How many mutations wait for the writer."""
        return self._writer.waiting

    async def ping(self) -> None:
        """Returns when the database has answered a small question.

        Raises:
            Unavailable: it can't answer, or nothing can be written.
        """
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self.read_point(_ping)
        except (self.dialect.error, RunyardError, SQLAlchemyError, TimeoutError) as error:
            raise Unavailable("The database doesn't answer.") from error
        if not self._writer.working:
            raise Unavailable("The database isn't open for writing.")

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a function of a snapshot in a reader's thread: for whatever scans or decodes."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read_here, query)

    async def read_point(self, query: Callable[[Connection], T]) -> T:
        """Like `read`, for look-ups by an index: SQLite answers them sooner than a thread would start."""
        if self.dialect.inline_reads:
            return self.read_here(query)
        return await self.read(query)

    async def write(self, mutation: Callable[[Transaction], T]) -> T:
        """Run a mutation in the next group; returns after its commit."""
        return await self._writer.run(mutation)

    async def write_bulk(self, bulk: Bulk[Any, T], item: Any) -> T:
        """Run an item of a bulk mutation in the next group; returns after its commit."""
        return await self._writer.run_bulk(bulk, item)

    def write_from_thread(self, mutation: Callable[[Transaction], T]) -> T:
        """Like `write`, for threads outside the event loop."""
        return self._writer.run_from_thread(mutation)


def _ping(connection: Connection) -> None:
    # A table's row, since SQLite answers a bare SELECT without looking at its file.
    connection.driver.execute("SELECT version_num FROM alembic_version").fetchone()
