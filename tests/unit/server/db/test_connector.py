"""Who tries to connect while the database is away, and who is refused at once."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runyard.server.db.connector import Connector
from runyard.server.db.dialects import Fault, SQLiteDialect
from runyard.server.kernel.errors import Unavailable

WAIT_SECONDS = 10.0


class _Far(SQLiteDialect):
    """A database whose host answers nobody until it is told to; then it is back, or still away."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))
        self.away = True
        self.why = Fault.LOST
        self.asked = threading.Semaphore(0)
        self.answer = threading.Semaphore(0)

    def connect(self, *, readonly: bool) -> sqlite3.Connection:
        self.asked.release()
        assert self.answer.acquire(timeout=WAIT_SECONDS)
        if self.away:
            raise sqlite3.OperationalError("nobody there")
        return super().connect(readonly=readonly)

    def fault(self, error: Exception) -> Fault:
        del error
        return self.why

    def answer_all(self) -> None:
        for _ in range(100):
            self.answer.release()


def _refused(connector: Connector) -> None:
    with pytest.raises(Unavailable, match="try again"):
        connector.connect(readonly=True)


def test_while_the_database_is_away_one_tries_at_a_time() -> None:
    far = _Far()
    connector = Connector(far)
    with ThreadPoolExecutor(3) as threads:
        # Given nobody who knows yet: all that come try
        first = [threads.submit(_refused, connector) for _ in range(3)]
        for _ in first:
            assert far.asked.acquire(timeout=WAIT_SECONDS)
            far.answer.release()
        for refused in first:
            refused.result(WAIT_SECONDS)
        # When one tries again
        second = threads.submit(_refused, connector)
        assert far.asked.acquire(timeout=WAIT_SECONDS)
        # Then others are refused while it does
        _refused(connector)
        assert not far.asked.acquire(blocking=False)
        far.answer.release()
        second.result(WAIT_SECONDS)


def test_once_the_database_is_back_all_connect() -> None:
    far = _Far()
    far.answer_all()
    connector = Connector(far)
    _refused(connector)
    far.away = False
    with ThreadPoolExecutor(3) as threads:
        for connection in [
            connector.connect(readonly=True),
            *threads.map(lambda _: connector.connect(readonly=True), range(3)),
        ]:
            connection.close()


def test_another_fault_is_told_as_it_is() -> None:
    far = _Far()
    far.answer_all()
    far.why = Fault.OTHER
    with pytest.raises(sqlite3.OperationalError, match="nobody there"):
        Connector(far).connect(readonly=True)
