"""The database: two dialects, one group-commit writer, many readers.

Statements are built with SQLAlchemy Core and run on the driver's own connection (`Query`), since
compiling and processing each statement anew would cost more than SQLite needs to answer it.
"""

from runyard.server.db.connection import Connection, OutOfTime, Row, Transaction
from runyard.server.db.database import Database
from runyard.server.db.dialects import Dialect
from runyard.server.db.metadata import BigId, PlainText, metadata
from runyard.server.db.query import INDEXED_CHARACTERS, Query, in_list, indexed, is_member, nested
from runyard.server.db.writer import Bulk

__all__ = [
    "INDEXED_CHARACTERS",
    "BigId",
    "Bulk",
    "Connection",
    "Database",
    "Dialect",
    "OutOfTime",
    "PlainText",
    "Query",
    "Row",
    "Transaction",
    "in_list",
    "indexed",
    "is_member",
    "metadata",
    "nested",
]
