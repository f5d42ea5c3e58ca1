"""The chain of hashes: each event's hash holds the event and, by the hash before it, all that came before.

    hash = SHA-256(hash of the event before || canonical form of the event)

Before the first event stand 32 zero bytes. An event's canonical form is its fields in the order of `FIELDS`,
each as a netstring: the number of bytes in decimal digits, a colon, the bytes, a comma. Texts are UTF-8;
numbers are written in decimal digits; `detail` is the JSON text as it is stored and exported, byte by byte.
So the event 7 whose actor is `ann` has `1:7,` and `3:ann,` in its form.

Nothing here looks at anything but its arguments: whoever has an export can compute the same.
"""

from __future__ import annotations

import hashlib

from runyard.server.events.types import StoredEvent

FIELDS = (
    "sequence",
    "id",
    "time",
    "workspace_id",
    "actor_id",
    "actor",
    "credential",
    "address",
    "action",
    "target_type",
    "target",
    "detail",
)


def canonical(event: StoredEvent) -> bytes:
    """The bytes that stand for a sealed event in the chain."""
    parts = []
    for name in FIELDS:
        value = str(getattr(event, name)).encode()
        parts.append(b"%d:%b," % (len(value), value))
    return b"".join(parts)


def hash_of(before: bytes, event: StoredEvent) -> bytes:
    """The hash of a sealed event.

    Args:
        before: the hash of the event before it.
        event: with its sequence; its own hash doesn't count.
    """
    return hashlib.sha256(before + canonical(event)).digest()
