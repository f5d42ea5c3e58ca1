"""A driver connection as the stores see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from runyard.server.db.compiled import Compiled
from runyard.server.db.dialects import Dialect, Fault
from runyard.server.db.query import Query, compile_statement
from runyard.server.kernel import clock

Row = tuple[Any, ...]


class OutOfTime(Exception):
    """See `Connection.searching`."""


class Connection:
    """Runs statements inside a transaction that somebody else opens and ends.

    A statement is a `Query` (compiled once) or a Core statement (compiled at each call, for those whose
    shape depends on the request).
    """

    __slots__ = ("_deadline", "dialect", "driver")

    def __init__(self, dialect: Dialect, driver: Any) -> None:
        self.dialect = dialect
        self.driver = driver
        self._deadline: float | None = None

    def rows(self, query: Any, **params: Any) -> list[Row]:
        """All rows of the answer."""
        compiled = self._compiled(query)
        cursor = self.driver.execute(compiled.sql, self.dialect.bind(compiled, params))
        return cursor.fetchall()  # type: ignore[no-any-return]

    def rows_within(self, query: Any, milliseconds: int, **params: Any) -> list[Row] | None:
        """All rows of the answer, or None when it takes longer than this on an idle machine, about.

        Only while `searching`.
        """
        assert self._deadline is not None  # noqa: S101 - says the line above
        self.dialect.begin_attempt(self.driver, milliseconds)
        try:
            return self.rows(query, **params)
        except self.dialect.error as error:
            if self.dialect.fault(error) is Fault.STOPPED:
                return None
            raise
        finally:
            self.dialect.end_attempt(self.driver, max(0.001, self._deadline - clock.monotonic()))

    @contextmanager
    def searching(self, seconds: float) -> Iterator[None]:
        """What is read here goes along indexes and may take this long in all.

        Raises:
            OutOfTime: it took longer and was stopped.
        """
        self._deadline = clock.monotonic() + seconds
        self.dialect.begin_search(self.driver, seconds)
        try:
            yield
        except self.dialect.error as error:
            if self.dialect.fault(error) is Fault.STOPPED:
                raise OutOfTime from error
            raise
        finally:
            self._deadline = None
            self.dialect.end_search(self.driver)

    def check_time(self) -> None:
        """Between the statements of a long read.

        Raises:
            OutOfTime: the time of `searching` is over.
        """
        if self._deadline is not None and clock.monotonic() > self._deadline:
            raise OutOfTime

    def row(self, query: Any, **params: Any) -> Row | None:
        """The first row of the answer, or None."""
        compiled = self._compiled(query)
        cursor = self.driver.execute(compiled.sql, self.dialect.bind(compiled, params))
        return cursor.fetchone()  # type: ignore[no-any-return]

    def value(self, query: Any, **params: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.row(query, **params)
        return None if row is None else row[0]

    def _compiled(self, query: Any) -> Compiled:
        if type(query) is Query:
            return query.compiled(self.dialect)
        return compile_statement(query, self.dialect)


class Transaction(Connection):
    """A connection that also writes, inside one of the writer's groups.

    `dirty` tells the writer whether a mutation that failed had written before it did.
    """

    __slots__ = ("_after_commit", "dirty")

    def __init__(self, dialect: Dialect, driver: Any) -> None:
        super().__init__(dialect, driver)
        self.dirty = False
        self._after_commit: list[Callable[[], None]] = []

    def execute(self, query: Any, **params: Any) -> int:
        """Run a statement that writes; returns the number of rows that it changed."""
        self.dirty = True
        compiled = self._compiled(query)
        return self.driver.execute(compiled.sql, self.dialect.bind(compiled, params)).rowcount  # type: ignore[no-any-return]

    def returning(self, query: Any, **params: Any) -> list[Row]:
        """Run a statement that writes and returns rows."""
        self.dirty = True
        return self.rows(query, **params)

    def execute_many(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement once per row of parameters."""
        if not rows:
            return
        self.dirty = True
        compiled = query.compiled(self.dialect)
        self.dialect.execute_many(self.driver, compiled.sql, [compiled.bind(row) for row in rows])

    def execute_rows(self, query: Query, rows: Sequence[Row]) -> None:
        """Like `execute_many`, for rows whose values stand in the statement's own parameter order."""
        if not rows:
            return
        self.dirty = True
        self.dialect.execute_many(self.driver, query.compiled(self.dialect).sql, rows)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once this transaction is on the disk; never when it is rolled back.

        The callback must not raise: the answer is already decided.
        """
        self._after_commit.append(callback)

    def committed(self) -> None:
        """Run the callbacks; the writer calls it after the commit."""
        for callback in self._after_commit:
            callback()
        self._after_commit.clear()
