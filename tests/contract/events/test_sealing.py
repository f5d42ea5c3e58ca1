"""Sealing: everything gets a place, in order, without gaps, once."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from runyard.server import events
from runyard.server.db import Database, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.db.lease import acquire
from runyard.server.events import Sealer
from runyard.server.events.chain import hash_of
from runyard.server.events.sealing import LEASE, SLICE
from runyard.server.kernel.errors import RunyardError
from tests.contract.events.log import all_of, append, event, head, seal, sealed

SEALERS = 3


@pytest.fixture
def processes(database: Database, database_url: str) -> Iterator[list[Database]]:
    """What several server processes have: on PostgreSQL a writer each, on SQLite there is one writer."""
    if database.dialect.name == "sqlite":
        yield [database] * SEALERS
        return
    others = [Database(open_dialect(database_url)) for _ in range(SEALERS - 1)]
    for other in others:
        other.start()
    yield [database, *others]
    for other in others:
        other.close()


def assert_whole(database: Database, count: int) -> None:
    """All events are sealed, at the places 1 to `count`, and the chain holds."""
    assert sorted(one.sequence or 0 for one in all_of(database)) == list(range(1, count + 1))
    found = events.verify(database)
    assert (found.checked, found.complete, found.found, found.unsealed) == (count, True, None, 0)


def test_events_are_sealed_in_order(database: Database) -> None:
    # Given
    append(database, 1, 2, 3)
    assert [one.sequence for one in all_of(database)] == [None, None, None]
    assert head(database) == events.ORIGIN
    # When
    assert seal(database) == 3
    # Then
    first, second, third = reversed(all_of(database))
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert first.hash == hash_of(bytes(32), first)
    assert second.hash == hash_of(first.hash, second)
    assert third.hash == hash_of(second.hash, third)
    assert head(database) == events.Head(3, third.hash, third.time)


def test_nothing_to_seal_changes_nothing(database: Database) -> None:
    assert seal(database) == 0
    before = sealed(database, 2)
    assert seal(database) == 0
    assert head(database) == before


def test_sealing_goes_on_where_it_ended(database: Database) -> None:
    sealed(database, 3)
    append(database, 3, 4)
    assert database.write_from_thread(lambda tx: events.seal(tx, 1)) == 1
    assert database.read_here(events.state).unsealed == 1
    assert seal(database) == 1
    assert_whole(database, 5)


def test_what_becomes_visible_later_is_sealed_later(postgresql_url: str) -> None:
    # Given a transaction that got a smaller id than another, and commits after that one is sealed
    early, late = Database(open_dialect(postgresql_url)), Database(open_dialect(postgresql_url))
    early.start()
    late.start()
    appended, go = threading.Event(), threading.Event()

    def slowly(tx: Transaction) -> None:
        events.append(tx, [event(1)])
        appended.set()
        assert go.wait(30)

    slow = threading.Thread(target=late.write_from_thread, args=(slowly,))
    slow.start()
    assert appended.wait(30)
    append(early, 2)
    assert seal(early) == 1
    # When
    go.set()
    slow.join(30)
    # Then
    assert seal(early) == 1
    assert {one.target: one.sequence for one in all_of(early)} == {"2": 1, "1": 2}
    assert min(all_of(early), key=lambda one: one.id).target == "1"
    assert_whole(early, 2)
    early.close()
    late.close()


def test_sealers_at_once_seal_each_event_once(processes: list[Database]) -> None:
    # Given writers, and a sealer in each process
    each = 60
    errors: list[BaseException] = []
    writing = threading.Event()
    writing.set()

    def write(database: Database, start: int) -> None:
        try:
            append(database, *range(start, start + each))
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    def seal_all(database: Database) -> None:
        try:
            while writing.is_set():
                try:
                    database.write_from_thread(lambda tx: events.seal(tx, 7))
                except RunyardError:  # the other one was faster, twice
                    continue
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    # When
    writers = [threading.Thread(target=write, args=(p, i * each)) for i, p in enumerate(processes)]
    sealers = [threading.Thread(target=seal_all, args=(p,)) for p in processes]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join(60)
    writing.clear()
    for thread in sealers:
        thread.join(60)
    while seal(processes[0]):
        pass
    # Then
    assert errors == []
    assert_whole(processes[0], each * len(processes))


def test_a_failure_in_the_middle_seals_nothing(database: Database) -> None:
    # Given
    before = sealed(database, 2)
    append(database, 2, 3)

    def fail(tx: Transaction) -> None:
        assert events.seal(tx) == 2
        raise ValueError("in the middle")

    # When
    with pytest.raises(ValueError, match="in the middle"):
        database.write_from_thread(fail)
    # Then
    assert database.read_here(events.state) == (before, 2)
    seal(database)
    assert_whole(database, 4)


# Appends and seals until it is killed; says after each commit that it is done.
KILLED = """
import sys
from runyard.server import events
from runyard.server.db.database import Database, open_dialect
from tests.contract.events.log import event
database = Database(open_dialect(sys.argv[1]))
database.start()
for number in range(100_000):
    database.write_from_thread(lambda tx: events.append(tx, [event(number + i) for i in range(5)]))
    database.write_from_thread(lambda tx: events.seal(tx, 4))
    print(number, flush=True)
"""


def test_a_kill_in_the_middle_breaks_nothing(database: Database, database_url: str) -> None:
    for rounds in (3, 17, 40):
        # Given
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, database_url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(rounds):
            assert process.stdout.readline()
        # When
        process.kill()
        process.communicate(timeout=60)
        # Then
        found = events.verify(database)
        assert (found.complete, found.found) == (True, None)
        assert found.checked >= 4 * rounds
    while seal(database):
        pass
    assert_whole(database, len(all_of(database)))


def test_the_sealer_seals_whatever_waits(database: Database) -> None:
    # Given more than a slice
    count = SLICE + 50
    database.write_from_thread(lambda tx: events.append(tx, [event(i) for i in range(count)]))
    sealer = Sealer(database, holder="here")
    # When
    assert sealer.run_round() == count
    # Then
    assert (sealer.head, sealer.unsealed) == (head(database), 0)
    assert_whole(database, count)
    assert sealer.run_round() == 0


def test_without_the_lease_nobody_seals(database: Database) -> None:
    # Given
    append(database, 1)
    database.write_from_thread(lambda tx: acquire(tx, LEASE, "there", now_ms=1_000, ttl_ms=500))
    now = 1_100
    sealer = Sealer(database, holder="here", now_ms=lambda: now)
    # When, then
    assert sealer.run_round() == 0
    assert sealer.unsealed == 1
    now = 1_500
    assert sealer.run_round() == 1


def test_the_head_is_told_now_and_then(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runyard.events")
    now = 10**12
    sealer = Sealer(database, holder="here", now_ms=lambda: now)
    # The first time
    append(database, 1)
    sealer.run_round()
    first = head(database)
    # Within the hour nothing
    append(database, 2)
    sealer.run_round()
    # An hour later
    now += 3_600_000
    append(database, 3)
    sealer.run_round()
    assert caplog.messages == [f"the activity log is sealed up to {one}" for one in (first, head(database))]


def test_a_stop_seals_what_waits_and_tells_the_head(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a sealer that never gets to look by itself
    caplog.set_level(logging.INFO, "runyard.events")
    sealer = Sealer(database, holder="here", pause_seconds=3_600)
    sealer.start()
    append(database, 1, 2)
    # When
    sealer.stop()
    # Then
    assert_whole(database, 2)
    assert caplog.messages == [f"the activity log is sealed up to {head(database)}"]
    # And another one may begin at once
    append(database, 3)
    assert Sealer(database, holder="there").run_round() == 1
