"""SQL of the codes by which the command line signs in. What is stored of one is its SHA-256."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, select

from runyard.server.auth import tables as t
from runyard.server.db import Connection, Query, Transaction

_c = t.login_code.c
_insert = Query(lambda d: d.insert(t.login_code).values({c.name: bindparam(c.name) for c in _c}))
_exists = Query(select(_c.expiry_time).where(_c.hash == bindparam("digest")))
_delete_of_session = Query(delete(t.login_code).where(_c.session_id == bindparam("session")))
_take = Query(delete(t.login_code).where(_c.hash == bindparam("digest")).returning(*_c))
_delete_expired = Query(
    delete(t.login_code).where(
        _c.hash.in_(
            select(_c.hash)
            .where(_c.expiry_time < bindparam("before"))
            .order_by(_c.expiry_time)
            .limit(bindparam("most"))
        )
    )
)


class CodeRow(NamedTuple):
    """A code, as the table has it."""

    hash: bytes
    challenge: bytes
    principal_id: int
    session_id: int
    name: str
    days: int
    address: str
    expiry_time: int


def insert(tx: Transaction, row: CodeRow) -> None:
    """A new code, in place of what its session gave before."""
    tx.execute(_delete_of_session, session=row.session_id)
    tx.execute(_insert, **row._asdict())


def exists(connection: Connection, digest: bytes) -> bool:
    """Whether somebody was given this code and nobody has taken it yet."""
    return connection.row(_exists, digest=digest) is not None


def take(tx: Transaction, digest: bytes) -> CodeRow | None:
    """Take a code: nobody else gets it."""
    rows = tx.returning(_take, digest=digest)
    return CodeRow(*rows[0]) if rows else None


def drop_expired(tx: Transaction, before: int, most: int) -> int:
    """Delete codes that ended before a time; returns how many."""
    return tx.execute(_delete_expired, before=before, most=most)
