"""The canonical form, written out by hand: it may never change."""

from __future__ import annotations

import hashlib

from runyard.server.events.chain import canonical, hash_of
from runyard.server.events.types import StoredEvent

EVENT = StoredEvent(
    id=12,
    time=1_700_000_000_000,
    workspace_id=1,
    actor_id=-1,
    actor="Zoë",
    credential="",
    address="::1",
    action="run.delete",
    target_type="run",
    target="a,b:c",
    detail='{"experiment":3}',
    sequence=7,
    hash=None,
)


def test_the_canonical_form() -> None:
    assert canonical(EVENT) == (
        b'1:7,2:12,13:1700000000000,1:1,2:-1,4:Zo\xc3\xab,0:,3:::1,10:run.delete,3:run,5:a,b:c,16:{"experiment":3},'
    )


def test_the_hash_holds_the_one_before() -> None:
    before = bytes(range(32))
    assert hash_of(before, EVENT) == hashlib.sha256(before + canonical(EVENT)).digest()
    assert hash_of(before, EVENT) != hash_of(bytes(32), EVENT)
    assert hash_of(before, EVENT._replace(hash=b"x")) == hash_of(before, EVENT)
