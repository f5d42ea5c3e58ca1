"""A search that takes too long is stopped, with an answer that says what to do."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import BigInteger, literal, select
from sqlalchemy.sql.functions import count

from runyard.server.auth import LOCAL
from runyard.server.db import Connection, Database, Query, Row
from runyard.server.db.database import READER_THREADS
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.service import Keys, RunSearch
from runyard.server.tracking.service import search as service
from runyard.server.tracking.store.search import RunFinder
from runyard.server.tracking.types import Page, Run, View

_numbers = select(literal(0, BigInteger).label("n")).cte("number", recursive=True)
_numbers = _numbers.union_all(select(_numbers.c.n + 1).where(_numbers.c.n < 10**12))
FOREVER = Query(select(count()).select_from(_numbers))
SEVEN = Query(select(literal(7, BigInteger)))


async def search(runs: RunSearch) -> Page[Run]:
    """Any search."""
    return await runs.search(
        LOCAL,
        experiment_ids=[1],
        filter_text="metrics.m > 1",
        order_by=[],
        view=View.ACTIVE_ONLY,
        limit=1,
        token=None,
    )


def test_a_search_that_takes_too_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    def find(self: RunFinder, connection: Connection, *args: Any) -> list[Row]:
        del self, args
        return connection.rows(FOREVER)

    monkeypatch.setattr(service, "MAX_SECONDS", 0.2)
    runs = RunSearch(database, Keys())
    # When
    with monkeypatch.context() as patch:
        patch.setattr(RunFinder, "find", find)
        with pytest.raises(InvalidArgument) as caught:
            asyncio.run(search(runs))
    # Then
    assert caught.value.field == "filter"
    assert "took longer than 0.2 seconds" in caught.value.message
    assert asyncio.run(search(RunSearch(database, Keys()))) == Page([], None)


def test_searches_leave_readers_to_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: as many searches as there are readers, none of which ends by itself
    begun = threading.Semaphore(0)

    def find(self: RunFinder, connection: Connection, *args: Any) -> list[Row]:
        del self, args
        begun.release()
        return connection.rows(FOREVER)

    monkeypatch.setattr(service, "MAX_SECONDS", 2.0)
    monkeypatch.setattr(RunFinder, "find", find)
    runs = RunSearch(database, Keys())

    async def read_beside_searches() -> int:
        searches = [asyncio.ensure_future(search(runs)) for _ in range(READER_THREADS)]
        for _ in range(READER_THREADS - 2):
            await asyncio.to_thread(begun.acquire)
        found = await database.read(lambda connection: connection.value(SEVEN))
        still_searching = not any(one.done() for one in searches)
        await asyncio.gather(*searches, return_exceptions=True)
        assert still_searching
        return int(found)

    # When / Then
    assert asyncio.run(read_beside_searches()) == 7
