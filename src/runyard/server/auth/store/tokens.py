"""SQL of tokens."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from runyard.server.auth import tables as t
from runyard.server.db import Query, Transaction

_k = t.token.c
_note_use = Query(update(t.token).where(_k.id == bindparam("tid")).values(last_used_time=bindparam("now")))
_end_of_run = Query(
    update(t.token)
    .where(_k.run_uuid == bindparam("run"), _k.expiry_time > bindparam("until"))
    .values(expiry_time=bindparam("until_"))
)


def note_use(tx: Transaction, token_id: int, now: int) -> None:
    """Note when a token was used last."""
    tx.execute(_note_use, tid=token_id, now=now)


def end_of_run(tx: Transaction, run: str, until: int) -> None:
    """Let a run's tokens expire at a time, unless they do so earlier."""
    tx.execute(_end_of_run, run=run, until=until, until_=until)
