"""SQL of tokens. What is stored of one is its SHA-256, which can't be turned back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Delete, Select, and_, bindparam, delete, func, or_, select, update

from runyard.server.auth import tables as t
from runyard.server.auth.records import Token
from runyard.server.auth.types import TokenKind
from runyard.server.db import Connection, Query, Row, Transaction, in_list

_k, _p = t.token.c, t.principal.c
_insert = Query(
    lambda d: d.insert(t.token).values({c.name: bindparam(c.name) for c in _k if c is not _k.last_used_time})
)
_columns = (
    _k.id,
    _k.kind,
    _p.name,
    _k.name,
    _k.workspace_id,
    _k.run_uuid,
    _k.creation_time,
    _k.expiry_time,
    _k.last_used_time,
)
_found = select(*_columns, _k.principal_id).select_from(t.token.join(t.principal, _p.id == _k.principal_id))
_by_id = Query(_found.where(_k.id == bindparam("id")))


def _page_of(*where: Any) -> Select[Any]:
    """A principal's tokens that end after a time, newest first, from a position on."""
    after = or_(
        _k.creation_time < bindparam("before"),
        and_(_k.creation_time == bindparam("before"), _k.id < bindparam("last")),
    )
    return (
        _found.where(
            _k.principal_id == bindparam("owner"),
            _k.expiry_time > bindparam("since"),
            _k.kind != int(TokenKind.UPLOAD),
            after,
            *where,
        )
        .order_by(_k.creation_time.desc(), _k.id.desc())
        .limit(bindparam("count"))
    )


_page = Query(_page_of())
_page_in = Query(_page_of(_k.workspace_id == bindparam("workspace")))
_count = Query(
    select(func.count()).where(
        _k.principal_id == bindparam("owner"), _k.kind == bindparam("kind"), _k.expiry_time > bindparam("now")
    )
)
_count_all = Query(
    select(func.count()).where(
        _k.principal_id == bindparam("owner"),
        _k.kind != int(TokenKind.SESSION),
        _k.kind != int(TokenKind.UPLOAD),
        _k.expiry_time > bindparam("now"),
    )
)
_delete_all = Query(delete(t.token).where(_k.principal_id == bindparam("owner")))
_delete = Query(delete(t.token).where(_k.id == bindparam("tid")))
_delete_sessions = Query(
    delete(t.token)
    .where(
        _k.principal_id == bindparam("owner"),
        _k.kind == int(TokenKind.SESSION),
        _k.id != bindparam("but"),
    )
    .returning(_k.id)
)
_hold = Query(select(_k.id).where(_k.id == bindparam("id")).with_for_update(read=True, key_share=True))
_delete_made_with = Query(delete(t.token).where(in_list(_k.maker_id, "makers")))
_delete_made_with_password = Query(
    delete(t.token).where(
        _k.principal_id == bindparam("owner"), _k.kind == int(TokenKind.UPLOAD), _k.maker_id.is_(None)
    )
)
_delete_of_upload = Query(
    delete(t.token).where(_k.upload == bindparam("upload_id"), _k.principal_id == bindparam("owner"))
)


def _delete_before(*where: Any) -> Delete:
    found = select(_k.id).where(_k.expiry_time < bindparam("before"), *where)
    return delete(t.token).where(_k.id.in_(found.order_by(_k.expiry_time).limit(bindparam("most"))))


_delete_expired = Query(_delete_before())
_delete_tickets = Query(_delete_before(_k.kind == int(TokenKind.UPLOAD)))
_note_use = Query(update(t.token).where(_k.id == bindparam("tid")).values(last_used_time=bindparam("now")))
_end = update(t.token).values(expiry_time=bindparam("until_")).where(_k.expiry_time > bindparam("until"))
_end_of_run = Query(_end.where(_k.run_uuid == bindparam("run")))
_end_of_runs = Query(_end.where(in_list(_k.run_uuid, "runs")))
_end_of_experiment = Query(_end.where(_k.run_uuid.is_not(None), _k.experiment_id == bindparam("experiment")))


def insert(
    tx: Transaction,
    token: Token,
    digest: bytes,
    principal_id: int,
    experiment_id: int | None = None,
    *,
    upload: str | None = None,
    maker_id: int | None = None,
) -> None:
    """A new token, known by the SHA-256 of its secret.

    Args:
        tx: the transaction.
        token: what is stored.
        digest: the SHA-256.
        principal_id: the owner.
        experiment_id: of a run's token.
        upload, maker_id: of a ticket the upload, and the token that it is made with.
    """
    tx.execute(
        _insert,
        id=token.id,
        hash=digest,
        kind=int(token.kind),
        principal_id=principal_id,
        name=token.name,
        workspace_id=token.workspace_id,
        run_uuid=token.run,
        experiment_id=experiment_id,
        creation_time=token.creation_time,
        expiry_time=token.expiry_time,
        upload=upload,
        maker_id=maker_id,
    )


def hold(tx: Transaction, token_id: int) -> bool:
    """Whether a token is still there; until the transaction ends, nobody deletes it."""
    return tx.row(_hold, id=token_id) is not None


def find(connection: Connection, token_id: int) -> tuple[Token, int] | None:
    """A token and its owner's id."""
    row = connection.row(_by_id, id=token_id)
    return None if row is None else (_token(row), row[-1])


def page(
    connection: Connection,
    principal_id: int,
    *,
    workspace_id: int | None,
    since: int,
    after: tuple[int, int],
    count: int,
) -> list[Token]:
    """The next of a principal's tokens that are valid after `since`, newest first.

    Args:
        connection: a snapshot.
        principal_id: the owner.
        workspace_id: only those for this workspace; None for all.
        since: in milliseconds since the epoch.
        after: creation time and id of the last one.
        count: how many.
    """
    where = {"owner": principal_id, "since": since, "before": after[0], "last": after[1], "count": count}
    if workspace_id is None:
        return [_token(row) for row in connection.rows(_page, **where)]
    return [_token(row) for row in connection.rows(_page_in, workspace=workspace_id, **where)]


def count(connection: Connection, principal_id: int, kind: TokenKind, now: int) -> int:
    """How many tokens of a kind a principal has that are valid."""
    return int(connection.value(_count, owner=principal_id, kind=int(kind), now=now) or 0)


def count_all(connection: Connection, principal_id: int, now: int) -> int:
    """How many valid tokens a principal has, without its sessions and its uploads' tickets."""
    return int(connection.value(_count_all, owner=principal_id, now=now) or 0)


def drop_all(tx: Transaction, principal_id: int) -> None:
    """End all of a principal's tokens, sessions and tickets."""
    tx.execute(_delete_all, owner=principal_id)


def drop(tx: Transaction, token_id: int) -> bool:
    """Delete a token, and the tickets that were made with it; False when there is none."""
    # In this order: who makes a ticket holds the token.
    found = tx.execute(_delete, tid=token_id) > 0
    drop_made_with(tx, [token_id])
    return found


def drop_sessions(tx: Transaction, principal_id: int, but: int = 0) -> None:
    """End a principal's browser sessions, but one, and the tickets made with those or with the password."""
    ended = [row[0] for row in tx.returning(_delete_sessions, owner=principal_id, but=but)]
    drop_made_with(tx, ended)
    tx.execute(_delete_made_with_password, owner=principal_id)


def drop_made_with(tx: Transaction, makers: Sequence[int]) -> None:
    """End the tickets that were made with these tokens, which are gone."""
    if makers:
        tx.execute(_delete_made_with, makers=list(makers))


def drop_of_upload(tx: Transaction, upload: str, principal_id: int) -> None:
    """End somebody's tickets of an upload."""
    tx.execute(_delete_of_upload, upload_id=upload, owner=principal_id)


def drop_expired(tx: Transaction, before: int, most: int) -> int:
    """Delete tokens that ended before a time; returns how many."""
    return tx.execute(_delete_expired, before=before, most=most)


def drop_tickets(tx: Transaction, before: int, most: int) -> int:
    """Delete uploads' tickets that ended before a time; returns how many."""
    return tx.execute(_delete_tickets, before=before, most=most)


def note_use(tx: Transaction, token_id: int, now: int) -> None:
    """Note when a token was used last."""
    tx.execute(_note_use, tid=token_id, now=now)


def end_of_run(tx: Transaction, run: str, until: int) -> None:
    """Let a run's tokens expire at a time, unless they do so earlier."""
    tx.execute(_end_of_run, run=run, until=until, until_=until)


def end_of_runs(tx: Transaction, runs: Sequence[str], until: int) -> None:
    """The same for several runs."""
    tx.execute(_end_of_runs, runs=list(runs), until=until, until_=until)


def end_of_experiment(tx: Transaction, experiment_id: int, until: int) -> None:
    """The same for all runs of an experiment."""
    tx.execute(_end_of_experiment, experiment=experiment_id, until=until, until_=until)


def _token(row: Row) -> Token:
    return Token(row[0], TokenKind(row[1]), *row[2:9])
