"""Interned names, on both databases."""

from __future__ import annotations

import pytest

from runyard.server.db import Connection, Transaction
from runyard.server.db.database import Database
from runyard.server.tracking.store.keys import Keys


class Undone(Exception):
    """Makes the writer roll a transaction back."""


def ids(database: Database, names: list[str]) -> dict[str, int]:
    def read(connection: Connection) -> dict[str, int]:
        return Keys().find(connection, names)

    return database.read_here(read)


@pytest.mark.parametrize("look", ["find", "names"])
def test_what_is_rolled_back_is_not_remembered(database: Database, look: str) -> None:
    # Given a transaction that interns a name, looks it up again as a later mutation of its group may,
    # and is rolled back
    keys = Keys()

    def mutate(tx: Transaction) -> None:
        made = keys.intern(tx, ["lost"])
        if look == "find":
            assert keys.find(tx, ["lost"]) == made
        else:
            assert keys.names(tx, made.values())[made["lost"]] == "lost"
        raise Undone

    with pytest.raises(Undone):
        database.write_from_thread(mutate)
    # When other names are interned, and then this one
    database.write_from_thread(lambda tx: keys.intern(tx, ["other"]))
    made = database.write_from_thread(lambda tx: keys.intern(tx, ["lost"]))
    # Then its id is the one that is stored
    assert made == ids(database, ["lost"])
    assert database.read_here(lambda c: keys.names(c, made.values()))[made["lost"]] == "lost"


def test_names_of_known_and_unknown_ids(database: Database) -> None:
    # Given names that another process interned, of which this one knows some
    made = database.write_from_thread(lambda tx: Keys().intern(tx, ["a", "b", "c"]))
    keys = Keys()
    database.read_here(lambda c: keys.find(c, ["a"]))
    # When names are looked up, Then both kinds are found
    found = database.read_here(lambda c: keys.names(c, [made["a"], made["c"]]))
    assert {found[made[name]] for name in ("a", "c")} == {"a", "c"}
