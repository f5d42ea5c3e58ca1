"""Room that deleted rows leave goes back to the file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.server.db import Database, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.db.reclaim import LEAST_BYTES, reclaim, reclaimable

KEPT = b"kept" * 1_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(open_dialect(f"sqlite:///{tmp_path}/a.db"))
    opened.start()
    opened.write_from_thread(_fill)
    yield opened
    opened.close()


def _fill(tx: Transaction) -> None:
    """Rows of 1.25 times the room that is let be, and others after each of them that stay."""
    tx.driver.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, data BLOB)")
    for first in range(0, 160, 16):
        tx.driver.execute("INSERT INTO a VALUES (?, zeroblob(?))", (2 * first, LEAST_BYTES // 8))
        tx.driver.execute("INSERT INTO a VALUES (?, ?)", (2 * first + 1, KEPT))


def _delete(tx: Transaction) -> None:
    tx.driver.execute("DELETE FROM a WHERE id % 2 = 0")


def _pages(database: Database, name: str) -> int:
    found: int = database.read_here(lambda c: c.driver.execute(f"PRAGMA {name}").fetchone()[0])
    return found


def test_a_full_file_stays_as_it_is(database: Database) -> None:
    assert not database.read_here(reclaimable)


def test_unused_room_is_given_back_until_little_is_left(database: Database) -> None:
    # Given
    database.write_from_thread(_delete)
    before = _pages(database, "page_count")
    assert database.read_here(reclaimable)
    # When
    slices = 0
    while database.read_here(reclaimable) and slices < 100:
        database.write_from_thread(reclaim)
        slices += 1
    # Then
    page = _pages(database, "page_size")
    assert 1 <= slices < 100
    assert _pages(database, "freelist_count") * page <= LEAST_BYTES
    assert _pages(database, "page_count") < before
    rows = database.read_here(lambda c: c.driver.execute("SELECT data FROM a").fetchall())
    assert rows == [(KEPT,)] * 10
    assert database.read_here(lambda c: c.driver.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]


def test_a_slice_moves_no_more_pages_than_it_says(database: Database) -> None:
    database.write_from_thread(_delete)
    unused = _pages(database, "freelist_count")
    database.write_from_thread(lambda tx: reclaim(tx, 10))
    assert _pages(database, "freelist_count") == unused - 10
