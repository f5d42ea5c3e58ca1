"""Leases: of several server processes one does a piece of background work.

A lease is a row with a holder and an end. Whoever finds it ended may take it; the holder renews it in
time. It keeps work from being done twice at once as a rule, not as a guarantee (clocks differ, a process
may stall): what must never happen twice is guarded by what the work itself checks in its transaction.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text, bindparam, delete, select
from sqlalchemy.sql.base import Executable

from runyard.server.db.connection import Connection, Transaction
from runyard.server.db.dialects import Dialect
from runyard.server.db.metadata import metadata
from runyard.server.db.query import Query

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def _acquire(dialect: Dialect) -> Executable:
    taken = dialect.insert(lease).values(
        name=bindparam("name"), holder=bindparam("holder"), expires_ms=bindparam("expires_ms")
    )
    upsert: Executable = taken.on_conflict_do_update(
        index_elements=[lease.c.name],
        set_={"holder": taken.excluded.holder, "expires_ms": taken.excluded.expires_ms},
        where=(lease.c.expires_ms <= bindparam("now_ms")) | (lease.c.holder == taken.excluded.holder),
    )
    return upsert


_ACQUIRE = Query(_acquire)
_RELEASE = Query(
    delete(lease).where(lease.c.name == bindparam("name"), lease.c.holder == bindparam("holder"))
)
_HOLDER = Query(
    select(lease.c.holder).where(lease.c.name == bindparam("name"), lease.c.expires_ms > bindparam("now_ms"))
)


def acquire(tx: Transaction, name: str, holder: str, *, now_ms: int, ttl_ms: int) -> bool:
    """Take a lease that is free or ended, or renew one's own.

    Args:
        tx: the transaction.
        name: what the lease is for.
        holder: who asks; unique per process.
        now_ms: the time.
        ttl_ms: how long the lease holds without being renewed.

    Returns:
        Whether `holder` has the lease now.
    """
    taken = tx.execute(_ACQUIRE, name=name, holder=holder, expires_ms=now_ms + ttl_ms, now_ms=now_ms)
    return taken == 1


def release(tx: Transaction, name: str, holder: str) -> None:
    """Give a lease back; nothing happens when somebody else has it."""
    tx.execute(_RELEASE, name=name, holder=holder)


def holder_of(connection: Connection, name: str, *, now_ms: int) -> str | None:
    """Who has a lease; None when nobody has."""
    found: str | None = connection.value(_HOLDER, name=name, now_ms=now_ms)
    return found
