"""What exporting the log holds open, and how many failed sign-ins it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runyard.server import events
from runyard.server.auth import LOCAL
from runyard.server.auth.service import activity
from runyard.server.auth.service.activity import Activity, Asked
from runyard.server.auth.service.failures import OF_ALL, OF_PAIR, SignInFailures
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import InvalidArgument
from tests.contract.events.log import all_of, append, event


def _names(connection: Connection) -> dict[int, str]:
    del connection
    return {1: "default"}


def test_nothing_is_open_between_slices(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(activity, "EXPORT_SLICE", 2)
    append(database, *range(5))
    reading = 0
    reader = database.reader

    @contextmanager
    def counted() -> Iterator[Connection]:
        nonlocal reading
        with reader() as connection:
            reading += 1
            try:
                yield connection
            finally:
                reading -= 1

    monkeypatch.setattr(database, "reader", counted)

    async def export() -> list[int]:
        found = []
        async for part in await Activity(database, _names).export(LOCAL, Asked("", events.Filter())):
            assert reading == 0
            found.append(len(part))
            # What comes meanwhile is written: nobody holds it up, and it doesn't belong to the export.
            await database.write(lambda tx: events.append(tx, []))
        return found

    # When, then
    assert asyncio.run(export()) == [2, 2, 1]


def test_a_reading_that_takes_too_long_is_stopped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(activity, "MAX_SECONDS", -1)
    database.write_from_thread(lambda tx: events.append(tx, [event(number) for number in range(20_000)]))
    asked = Asked("", events.Filter(text="nothing like it"))
    # When, then
    with pytest.raises(InvalidArgument, match="range of time"):
        asyncio.run(Activity(database, _names).page(LOCAL, asked, 10, None))


def _noted(database: Database, tries: list[tuple[str, str]]) -> None:
    async def note() -> None:
        noting = SignInFailures(database)
        for name, address in tries:
            noting.note(name, address)
        await asyncio.sleep(0)  # all of them wait for the writer now
        await database.write(lambda tx: None)

    asyncio.run(note())


def test_of_one_name_and_address_few_are_noted(database: Database) -> None:
    _noted(database, [("ann", "10.0.0.1")] * 20 + [("ann", "10.0.0.2"), ("bob", "10.0.0.1")])
    assert sorted((one.target, one.address) for one in all_of(database)) == [
        *[("ann", "10.0.0.1")] * OF_PAIR,
        ("ann", "10.0.0.2"),
        ("bob", "10.0.0.1"),
    ]


def test_of_all_together_not_too_many_are_noted(database: Database) -> None:
    _noted(database, [(f"name {i}", f"10.0.{i // 250}.{i % 250}") for i in range(30_000)])
    assert len(all_of(database)) == OF_ALL
