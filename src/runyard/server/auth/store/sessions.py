"""SQL of browser sessions: tokens whose end moves on with their use."""

from __future__ import annotations

from sqlalchemy import bindparam, case, delete, select, update

from runyard.server.auth import tables as t
from runyard.server.auth.store.tokens import drop_made_with
from runyard.server.auth.types import TokenKind
from runyard.server.db import Connection, Query, Transaction
from runyard.server.kernel import ids

_k = t.token.c
_is_session = _k.kind == int(TokenKind.SESSION)
_insert = Query(
    lambda d: d.insert(t.token).values(
        {
            name: bindparam(name)
            for name in (
                "id",
                "hash",
                "kind",
                "principal_id",
                "name",
                "creation_time",
                "expiry_time",
                "last_used_time",
            )
        }
    )
)
_longest = _k.creation_time + bindparam("longest")
_extend = Query(
    update(t.token)
    .where(_k.id == bindparam("tid"))
    .values(
        last_used_time=bindparam("now"),
        expiry_time=case((_longest < bindparam("until"), _longest), else_=bindparam("until_")),
    )
)
_lasts = Query(select(_k.id).where(_k.id == bindparam("tid"), _is_session, _k.expiry_time > bindparam("now")))
_delete = Query(delete(t.token).where(_k.hash == bindparam("digest"), _is_session).returning(_k.id))


def insert(tx: Transaction, principal_id: int, digest: bytes, now: int, until: int) -> None:
    """A new session."""
    tx.execute(
        _insert,
        id=ids.new_key(),
        hash=digest,
        kind=int(TokenKind.SESSION),
        principal_id=principal_id,
        name="",
        creation_time=now,
        expiry_time=until,
        last_used_time=now,
    )


def extend(tx: Transaction, token_id: int, now: int, until: int, longest: int) -> None:
    """Note that a session was used: it lasts until then, and at most so long after it began."""
    tx.execute(_extend, tid=token_id, now=now, until=until, until_=until, longest=longest)


def lasts(connection: Connection, token_id: int, now: int) -> bool:
    """Whether a session hasn't ended."""
    return connection.row(_lasts, tid=token_id, now=now) is not None


def delete_one(tx: Transaction, digest: bytes) -> bool:
    """End a session, and the tickets that were made with it; returns whether there was one."""
    ended = [row[0] for row in tx.returning(_delete, digest=digest)]
    drop_made_with(tx, ended)
    return bool(ended)
