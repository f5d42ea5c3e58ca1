"""The database: two dialects, one group-commit writer, many readers.

Statements are built with SQLAlchemy Core and run on the driver's own connection (`Query`), since
compiling and processing each statement anew would cost more than SQLite needs to answer it.
"""

from runyard.server.db.connection import Connection, Row, Transaction
from runyard.server.db.database import Database
from runyard.server.db.dialects import Dialect
from runyard.server.db.metadata import BigId, metadata
from runyard.server.db.query import Query, in_list
from runyard.server.db.writer import Bulk

__all__ = [
    "BigId",
    "Bulk",
    "Connection",
    "Database",
    "Dialect",
    "Query",
    "Row",
    "Transaction",
    "in_list",
    "metadata",
]
