"""The table keeps mistakes out: no event is deleted, and no sealed one changed."""

from __future__ import annotations

import pytest

from runyard.server import events
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from tests.contract.events.log import all_of, append, seal, sealed

REFUSED = {
    "UPDATE event SET actor = 'eve' WHERE sequence = 1": "never changed",
    "UPDATE event SET sequence = NULL, hash = NULL": "never changed",
    # Of one that isn't sealed yet only the seal may come.
    "UPDATE event SET actor = 'eve' WHERE sequence IS NULL": "never changed",
    "DELETE FROM event WHERE sequence IS NULL": "never deleted",
    "DELETE FROM event": "never deleted",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_the_log_only_grows(database: Database, database_url: str, statement: str) -> None:
    # Given
    sealed(database, 2)
    append(database, 3)
    before = all_of(database)
    dialect = open_dialect(database_url)
    connection = dialect.connect(readonly=False)
    # When
    with pytest.raises(dialect.error, match=REFUSED[statement]):
        connection.execute(statement)
    connection.close()
    # Then
    assert all_of(database) == before
    assert seal(database) == 1
    assert events.verify(database).found is None


def test_postgresql_truncates_no_log(postgresql_url: str) -> None:
    dialect = open_dialect(postgresql_url)
    connection = dialect.connect(readonly=False)
    with pytest.raises(dialect.error, match="never deleted"):
        connection.execute("TRUNCATE event")
    connection.close()
