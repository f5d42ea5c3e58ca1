"""Gives the room of deleted rows back to the file system, a slice at a time.

SQLite keeps the pages that a deletion frees and fills them again; what it won't fill soon is cut off here.
PostgreSQL's own vacuum does this: there is nothing to do.
"""

from __future__ import annotations

from runyard.server.db.connection import Connection, Transaction

# Less than this is filled again by the next writes, and not worth moving pages for.
LEAST_BYTES = 16 << 20
LEAST_SHARE = 0.2
# Pages of a slice: about 10 ms.
SLICE = 512


def reclaimable(connection: Connection) -> bool:
    """Whether so much of the file is unused that it should shrink."""
    if connection.dialect.name != "sqlite":
        return False
    unused = _pragma(connection, "freelist_count")
    if unused <= LEAST_SHARE * _pragma(connection, "page_count"):
        return False
    return unused * _pragma(connection, "page_size") > LEAST_BYTES


def reclaim(tx: Transaction, pages: int = SLICE) -> None:
    """Cut up to so many unused pages off the file; it is shorter after the next checkpoint."""
    for _ in range(pages):
        # The driver runs this statement's first step alone, which is a page, whatever number it asks for.
        tx.driver.execute("PRAGMA incremental_vacuum(1)")


def _pragma(connection: Connection, name: str) -> int:
    number: int = connection.driver.execute(f"PRAGMA {name}").fetchone()[0]
    return number
