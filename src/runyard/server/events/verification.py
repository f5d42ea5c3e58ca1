"""Verifying: computes the chain anew from the events and says where it breaks first.

It goes in slices, each a short snapshot of its own: what is sealed never changes, so that they fit together
whatever is appended meanwhile. The log alone shows every change and every gap, but not that its end was cut
off, or that it was written anew as a whole: for that somebody must have noted a head.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import bindparam, select

from runyard.server.db import Connection, Database, Query
from runyard.server.events.chain import hash_of
from runyard.server.events.sealing import state
from runyard.server.events.tables import event as e
from runyard.server.events.types import ORIGIN, Break, Head, StoredEvent, Verification

SLICE = 1_000

_FOLLOWING = Query(
    select(*e.c).where(e.c.sequence > bindparam("after")).order_by(e.c.sequence).limit(bindparam("limit"))
)
_AT = Query(select(e.c.hash).where(e.c.sequence == bindparam("at")))
# A place below 1 is none: an event there was put into the table by hand.
_LOWEST = -(2**63)


def verify(database: Database, *, noted: Head | None = None) -> Verification:
    """Verify the whole log, in this thread.

    Args:
        database: needn't be started: it is only read.
        noted: a head that somebody wrote down, if there is one.
    """
    checked, after = 0, ORIGIN
    while True:
        done = database.read_here(partial(verify_slice, after=after, noted=noted))
        checked, after = checked + done.checked, done.verified
        if done.complete or done.found is not None:
            return Verification(checked, after, done.complete, done.found, done.unsealed)


def verify_slice(
    connection: Connection, after: Head, *, noted: Head | None = None, limit: int = SLICE
) -> Verification:
    """Verify the events that follow a head.

    Args:
        connection: a snapshot.
        after: where to begin; the log must still have this head.
        noted: a head that somebody wrote down, if there is one.
        limit: how many events.
    """
    now = state(connection)
    for head in (after, noted):
        if head is not None and 0 < head.sequence <= after.sequence:
            broken = _compared(connection, head, now.head)
            if broken is not None:
                return Verification(0, ORIGIN, False, broken, now.unsealed)
    checked, reached = 0, after
    for row in connection.rows(_FOLLOWING, after=after.sequence or _LOWEST, limit=limit):
        event = StoredEvent(*row)
        broken = _broken(event, reached, noted)
        if broken is not None:
            return Verification(checked, reached, False, broken, now.unsealed)
        checked += 1
        reached = Head(reached.sequence + 1, event.hash or b"", event.time)
    complete = reached.sequence >= now.head.sequence
    broken = _cut(noted, reached) if complete and noted and noted.sequence > reached.sequence else None
    return Verification(checked, reached, complete, broken, now.unsealed)


def _broken(event: StoredEvent, before: Head, noted: Head | None) -> Break | None:
    """What is wrong with the event that follows a head, if anything is."""
    place, sequence = before.sequence + 1, event.sequence or 0
    if sequence > place:
        return _missing(place)
    if sequence < place:
        return Break("changed", sequence, f"Event {sequence} was put into the log: no event has this place.")
    if event.hash != hash_of(before.hash, event):
        return Break(
            "changed",
            place,
            f"Event {place} doesn't fit its hash: it was changed after it was sealed, or the hash before it "
            "was.",
        )
    if noted is not None and noted.sequence == place and noted.hash != event.hash:
        return _rewritten(noted)
    return None


def _compared(connection: Connection, noted: Head, now: Head) -> Break | None:
    """What is wrong at a head that was noted earlier."""
    found = connection.value(_AT, at=noted.sequence)
    if found is None:
        return _missing(noted.sequence) if noted.sequence < now.sequence else _cut(noted, now)
    return None if found == noted.hash else _rewritten(noted)


def _missing(place: int) -> Break:
    return Break("missing", place, f"Event {place} is missing: there are later ones, but none at its place.")


def _cut(noted: Head, last: Head) -> Break:
    return Break(
        "cut",
        last.sequence + 1,
        f"The log ends at event {last.sequence}, but its head was {noted.sequence} once: the events after "
        f"{last.sequence} were deleted.",
    )


def _rewritten(noted: Head) -> Break:
    return Break(
        "rewritten",
        noted.sequence,
        f"Event {noted.sequence} has another hash than the one that was noted: it or something before it was "
        "changed, and the chain was made anew from there.",
    )
