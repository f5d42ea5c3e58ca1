"""Verifying: whatever is done to the log by hand is found, and where."""

from __future__ import annotations

import pytest

from runyard.server import events
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from runyard.server.events import Head
from runyard.server.kernel.errors import InvalidArgument
from tests.contract.events.log import all_of, append, head, seal, sealed, unprotected

COUNT = 7
AT = 4

# What is done to an event in the middle, and where the log breaks first.
CHANGES = {
    "id = 1000": AT,
    "time = time + 1": AT,
    "workspace_id = 2": AT,
    "actor_id = 6": AT,
    "actor = 'eve'": AT,
    "credential = 'none'": AT,
    "address = ''": AT,
    "action = 'experiment.restore'": AT,
    "target_type = 'run'": AT,
    "target = '9'": AT,
    "detail = '{ }'": AT,
    "hash = NULL": AT,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_event_is_found(database: Database, database_url: str, change: str) -> None:
    # Given
    sealed(database, COUNT)
    # When
    unprotected(database_url, f"UPDATE event SET {change} WHERE sequence = {AT}")
    # Then
    found = events.verify(database)
    assert found.found is not None
    assert (found.found.kind, found.found.sequence) == ("changed", CHANGES[change])
    assert (found.checked, found.verified.sequence, found.complete) == (AT - 1, AT - 1, False)


def test_texts_that_moved_between_columns_are_found(database: Database, database_url: str) -> None:
    sealed(database, COUNT)
    unprotected(
        database_url, f"UPDATE event SET actor = 'an', credential = 'npassword' WHERE sequence = {AT}"
    )
    found = events.verify(database).found
    assert found is not None
    assert (found.kind, found.sequence) == ("changed", AT)


def test_an_event_with_a_new_hash_is_found_at_the_next(database: Database, database_url: str) -> None:
    # Given somebody who computes the hash of what he changed
    sealed(database, COUNT)
    unprotected(database_url, f"UPDATE event SET actor = 'eve' WHERE sequence = {AT}")
    _rehash(database, database_url, AT)
    # Then
    found = events.verify(database).found
    assert found is not None
    assert (found.kind, found.sequence) == ("changed", AT + 1)


@pytest.mark.parametrize("first", [1, AT])
def test_a_deleted_event_is_missing(database: Database, database_url: str, first: int) -> None:
    sealed(database, COUNT)
    unprotected(database_url, f"DELETE FROM event WHERE sequence = {first}")
    found = events.verify(database).found
    assert found is not None
    assert (found.kind, found.sequence) == ("missing", first)


def test_an_event_that_is_unsealed_again_is_missing(database: Database, database_url: str) -> None:
    # Given
    sealed(database, COUNT)
    # When it is sealed anew, at the end
    unprotected(database_url, f"UPDATE event SET sequence = NULL, hash = NULL WHERE sequence = {AT}")
    seal(database)
    # Then
    found = events.verify(database).found
    assert found is not None
    assert (found.kind, found.sequence) == ("missing", AT)


@pytest.mark.parametrize("place", [0, -5])
def test_an_event_put_below_the_first_is_found(database: Database, database_url: str, place: int) -> None:
    sealed(database, COUNT)
    append(database, 99)
    unprotected(database_url, f"UPDATE event SET sequence = {place} WHERE sequence IS NULL")
    found = events.verify(database).found
    assert found is not None
    assert (found.kind, found.sequence) == ("changed", place)


def test_a_cut_tail_shows_by_a_noted_head(database: Database, database_url: str) -> None:
    # Given
    noted = sealed(database, COUNT)
    unprotected(database_url, f"DELETE FROM event WHERE sequence > {AT}")
    # When, then: the log alone doesn't know
    assert events.verify(database).found is None
    found = events.verify(database, noted=noted)
    assert found.found is not None
    assert (found.found.kind, found.found.sequence) == ("cut", AT + 1)
    assert (found.checked, found.verified) == (AT, head(database))


def test_a_cut_tail_shows_when_the_log_went_on(database: Database, database_url: str) -> None:
    # Given a log as long as it was
    noted = sealed(database, COUNT)
    unprotected(database_url, f"DELETE FROM event WHERE sequence > {AT}")
    append(database, *range(100, 100 + COUNT - AT + 2))
    seal(database)
    # When, then
    assert events.verify(database).found is None
    found = events.verify(database, noted=noted).found
    assert found is not None
    assert (found.kind, found.sequence) == ("rewritten", COUNT)


def test_a_chain_that_was_made_anew_shows_by_a_noted_head(database: Database, database_url: str) -> None:
    # Given somebody who changes an event and computes every hash from there on
    noted = sealed(database, COUNT)
    unprotected(
        database_url,
        f"UPDATE event SET actor = 'eve' WHERE sequence = {AT}",
        "UPDATE event SET sequence = NULL, hash = NULL",
    )
    seal(database)
    # When, then
    assert events.verify(database).found is None
    found = events.verify(database, noted=noted).found
    assert found is not None
    assert (found.kind, found.sequence) == ("rewritten", COUNT)


def test_a_noted_head_still_holds_after_the_log_went_on(database: Database) -> None:
    noted = sealed(database, COUNT)
    append(database, 100, 101)
    seal(database)
    append(database, 102)
    found = events.verify(database, noted=noted)
    assert (found.checked, found.complete, found.found, found.unsealed) == (COUNT + 2, True, None, 1)
    assert found.verified == head(database)


def test_an_empty_log_is_whole(database: Database) -> None:
    found = events.verify(database)
    assert found == events.Verification(0, events.ORIGIN, True, None, 0)
    cut = events.verify(database, noted=Head(3, bytes(32))).found
    assert cut is not None
    assert (cut.kind, cut.sequence) == ("cut", 1)


@pytest.mark.parametrize("limit", [1, 3, COUNT])
def test_slices_go_on_where_the_one_before_ended(database: Database, limit: int) -> None:
    # Given
    noted = sealed(database, COUNT)
    after, checked = events.ORIGIN, 0
    # When
    while True:
        found = database.read_here(
            lambda c, after=after: events.verify_slice(c, after, noted=noted, limit=limit)  # type: ignore[misc]
        )
        checked += found.checked
        assert found.found is None
        if found.complete:
            break
        after = found.verified
    # Then
    assert (checked, found.verified) == (COUNT, noted)


@pytest.mark.parametrize(
    ("after", "kind"),
    [(Head(3, bytes(32)), "rewritten"), (Head(COUNT + 1, bytes(32)), "cut")],
)
def test_a_slice_begins_only_where_the_log_has_that_head(database: Database, after: Head, kind: str) -> None:
    sealed(database, COUNT)
    found = database.read_here(lambda c: events.verify_slice(c, after))
    assert found.found is not None
    assert (found.found.kind, found.checked, found.complete) == (kind, 0, False)


def test_a_head_that_was_passed_is_still_compared(database: Database) -> None:
    last = sealed(database, COUNT)
    found = database.read_here(lambda c: events.verify_slice(c, last, noted=Head(2, bytes(32)))).found
    assert found is not None
    assert (found.kind, found.sequence) == ("rewritten", 2)


def test_a_head_can_be_written_down(database: Database) -> None:
    found = sealed(database, 2)
    read = events.parse_head(f" {found} ", "head")
    assert (read.sequence, read.hash) == (found.sequence, found.hash)


@pytest.mark.parametrize(
    "text", ["", "7", "7:", "7:ab", f"x:{'0' * 64}", f"-1:{'0' * 64}", f"{2**63}:{'0' * 64}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="SEQUENCE:HASH"):
        events.parse_head(text, "head")


def test_a_database_that_is_not_started_can_be_verified(database: Database, database_url: str) -> None:
    sealed(database, COUNT)
    offline = Database(open_dialect(database_url))
    assert events.verify(offline).checked == COUNT
    offline.close()


def _rehash(database: Database, url: str, sequence: int) -> None:
    """Give an event the hash that it should have."""
    by_place = {one.sequence: one for one in all_of(database)}
    before = by_place[sequence - 1].hash
    assert before is not None
    code = events.chain.hash_of(before, by_place[sequence]).hex()
    value = f"x'{code}'" if url.startswith("sqlite") else f"'\\x{code}'"
    unprotected(url, f"UPDATE event SET hash = {value} WHERE sequence = {sequence}")
