"""Deleting and restoring forgets no column and no table: also those that come later."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, LargeBinary, Table, bindparam, select

from runyard.server.auth import PrincipalKind
from runyard.server.auth.records import User
from runyard.server.auth.service import deleted
from runyard.server.auth.service.deleted import Deletion
from runyard.server.auth.tables import principal, role
from runyard.server.db import Database, Query, Row, Transaction
from tests.migrations.schema import metadata

WHO, OTHER = 41, 42
REFERENCES = ("principal_id", "group_id", "owner_id", "user_id")
OF_DELETED = [table for table in metadata.tables.values() if table.name.startswith("deleted_")]
# Those that say something of principals by their ids; the log keeps what was, and a run its user's name.
OF_PRINCIPALS = [
    table
    for table in metadata.tables.values()
    if table not in OF_DELETED and set(table.c.keys()) & set(REFERENCES) and table.name != "run"
]


def fill(tx: Transaction, table: Table, **given: Any) -> None:
    """A row with something in each column."""
    values = {c.name: given.get(c.name, _something(c.type)) for c in table.c}
    tx.execute(
        Query(lambda d: d.insert(table).values({c.name: bindparam(c.name) for c in table.c})), **values
    )


def _something(kind: Any) -> Any:
    return 1 if isinstance(kind, Integer) else b"x" if isinstance(kind, LargeBinary) else "text"


def rows(tx: Transaction, table: Table) -> list[Row]:
    """All rows of a table, in some order."""
    return sorted(tuple(row) for row in tx.rows(select(table)))


def look(tx: Transaction, tables: list[Table]) -> dict[str, list[Row]]:
    """The rows of the tables that have any."""
    return {table.name: found for table in tables if (found := rows(tx, table))}


def user_of(key: int, kind: PrincipalKind) -> User:
    return User(key, kind, "text", "text", "text", True, True, True, True, 1)


def test_a_principal_leaves_no_table_behind_and_comes_back_whole(database: Database) -> None:
    # Given a row of it in each table that names principals
    def populate(tx: Transaction) -> None:
        fill(tx, principal, id=OTHER, name="other", external_id="other", kind=int(PrincipalKind.GROUP))
        fill(tx, principal, id=WHO)
        for table in OF_PRINCIPALS:
            fill(tx, table, principal_id=WHO, group_id=OTHER)

    def delete(tx: Transaction) -> None:
        Deletion(days=0).principal(tx, user_of(WHO, PrincipalKind.USER))

    database.write_from_thread(populate)
    before = database.write_from_thread(lambda tx: look(tx, [principal, *OF_PRINCIPALS]))
    assert set(before) == {"principal", *(table.name for table in OF_PRINCIPALS)}
    # When
    database.write_from_thread(delete)
    # Then
    after = database.write_from_thread(lambda tx: look(tx, [principal, *OF_PRINCIPALS]))
    assert [row[0] for row in after.pop("principal")] == [OTHER]
    assert after == {}
    # When
    database.write_from_thread(lambda tx: deleted.restore(tx, "user", [WHO]))
    # Then
    del before["token"], before["login_code"]
    assert database.write_from_thread(lambda tx: look(tx, [principal, *OF_PRINCIPALS])) == before
    assert database.write_from_thread(lambda tx: look(tx, OF_DELETED)) == {}
    # When it is purged
    database.write_from_thread(delete)
    database.write_from_thread(lambda tx: deleted.purge(tx, [WHO], 2**60))
    # Then
    assert database.write_from_thread(lambda tx: look(tx, OF_DELETED)) == {}


def test_a_role_comes_back_whole(database: Database) -> None:
    database.write_from_thread(lambda tx: fill(tx, role))
    before = database.write_from_thread(lambda tx: look(tx, [role]))
    gone = database.write_from_thread(lambda tx: Deletion(days=0).role(tx, "text"))
    assert gone.purge_time is None
    assert database.write_from_thread(lambda tx: look(tx, [role])) == {}
    database.write_from_thread(lambda tx: deleted.restore(tx, "role", [int(gone.id)]))
    assert database.write_from_thread(lambda tx: look(tx, [role])) == before


def test_a_purge_takes_only_what_it_looked_up(database: Database) -> None:
    # Given what was restored and deleted again after a purge had looked
    database.write_from_thread(lambda tx: fill(tx, principal, id=WHO))
    database.write_from_thread(lambda tx: Deletion(days=0).principal(tx, user_of(WHO, PrincipalKind.USER)))
    # When
    database.write_from_thread(lambda tx: deleted.purge(tx, [WHO], 1))
    # Then
    assert set(database.write_from_thread(lambda tx: look(tx, OF_DELETED))) == {"deleted_identity"}
