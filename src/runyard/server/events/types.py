"""Values of the event log."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from runyard.server.kernel.errors import InvalidArgument

HASH_BYTES = 32
# Longer targets are cut: an index holds them, and PostgreSQL's entries may not be long.
MAX_TARGET = 500


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    Attributes:
        time: when, in milliseconds since the epoch.
        workspace_id: where; 0 for the server as a whole.
        actor_id, actor: who did it.
        credential: by what the actor was recognized; never a secret.
        address: where the request came from; empty where that isn't known.
        action: what was done, such as `experiment.delete`.
        target_type, target: to what: `experiment` and its id. Of a long target its first 500 characters are
            kept here, and all of it in `detail`.
        detail: what else is known; plain JSON values, no secrets.
    """

    time: int
    workspace_id: int
    actor_id: int
    actor: str
    credential: str
    address: str
    action: str
    target_type: str
    target: str
    detail: dict[str, Any] = {}


class StoredEvent(NamedTuple):
    """A row of the log: `detail` as the JSON text that is stored, `sequence` None until it is sealed."""

    id: int
    time: int
    workspace_id: int
    actor_id: int
    actor: str
    credential: str
    address: str
    action: str
    target_type: str
    target: str
    detail: str
    sequence: int | None
    hash: bytes | None


class Head(msgspec.Struct, frozen=True):
    """How far the log is sealed. Whoever keeps one can tell later whether anything before it changed.

    Attributes:
        sequence: the newest sealed event's place; 0 while there is none.
        hash: its hash, which depends on every event before it.
        time: when the event happened; 0 where that isn't known.
    """

    sequence: int
    hash: bytes
    time: int = 0

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"


# Before the first event.
ORIGIN = Head(0, bytes(HASH_BYTES))


def parse_head(text: str, field: str) -> Head:
    """A head as it was written down: `SEQUENCE:HASH`, the hash in hexadecimal digits.

    Raises:
        InvalidArgument: it isn't one.
    """
    digits, _, code = text.strip().partition(":")
    try:
        head = Head(int(digits), bytes.fromhex(code))
    except ValueError:
        head = None
    if head is None or len(head.hash) != HASH_BYTES or not 0 <= head.sequence < 2**63:
        raise InvalidArgument(
            f"Invalid {field}: a head of the activity log is written SEQUENCE:HASH, a number and 64 "
            "hexadecimal digits.",
            field=field,
        )
    return head


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted; what is None or empty asks for nothing.

    Attributes:
        workspace_id: those of one workspace; 0 for those of the server as a whole.
        actor: who did it.
        action: how the action begins: `run.` finds `run.delete` and `run.restore`.
        target_type, target: to what.
        since, until: when, in milliseconds since the epoch; `since` belongs to the range, `until` doesn't.
        text: stands somewhere in actor, credential, address, action, target or detail; the case of ASCII
            letters doesn't count.
    """

    workspace_id: int | None = None
    actor: str = ""
    action: str = ""
    target_type: str = ""
    target: str = ""
    since: int | None = None
    until: int | None = None
    text: str = ""


class Position(NamedTuple):
    """Where an event stands in the order of the log's pages."""

    time: int
    id: int


Kind = Literal["changed", "missing", "cut", "rewritten"]


class Break(msgspec.Struct, frozen=True):
    """The first place where the log isn't what it was.

    Attributes:
        kind: `changed`: an event doesn't fit its hash; `missing`: an event's place is empty; `cut`: the log
            ends before the noted head; `rewritten`: it has another hash at the noted head.
        sequence: the place.
        message: the same for people.
    """

    kind: Kind
    sequence: int
    message: str


class Verification(msgspec.Struct, frozen=True):
    """What verifying found.

    Attributes:
        checked: how many events.
        verified: up to where everything is as it was.
        complete: whether that is the end of what is sealed.
        found: the first place where something is wrong, if anything is.
        unsealed: how many events wait to be sealed; nothing vouches for these yet.
    """

    checked: int
    verified: Head
    complete: bool
    found: Break | None
    unsealed: int
