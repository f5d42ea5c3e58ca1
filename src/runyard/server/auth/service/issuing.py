"""What every new token has to pass: who may make it, whose it is, until when, how many there are."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from runyard.server.auth.records import Token, User
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.members import must_be_somebody, nobody
from runyard.server.auth.store import principals
from runyard.server.auth.store import tokens as store
from runyard.server.auth.types import Principal, PrincipalKind, TokenKind
from runyard.server.db import Transaction
from runyard.server.kernel import ids
from runyard.server.kernel.errors import InvalidArgument, PermissionDenied, QuotaExceeded

DAY = 24 * 3_600_000
DEFAULT_DAYS, MAX_DAYS = 90, 366
# The most that are valid at a time: a script that makes one in a loop is told before it fills the table.
MAX_VALID = {
    TokenKind.PERSONAL: 1_000,
    TokenKind.TRACKING: 10_000,
    TokenKind.RUN: 10_000,
    TokenKind.UPLOAD: 10_000,
}


def check_maker(principal: Principal) -> None:
    """Refuse a credential that makes no tokens."""
    token = principal.token
    if token is not None and token.kind in (TokenKind.TRACKING, TokenKind.RUN):
        raise PermissionDenied(
            f"A {token.kind.name.lower()} token makes no other tokens. Sign in, or send a personal token."
        )


def owner_of(tx: Transaction, principal: Principal, name: str | None) -> User:
    """Whose a new token is; nobody deletes it meanwhile."""
    own = name is None or name.lower() == principal.name
    if own and principal.identity.id == 0:
        raise PermissionDenied(
            "This server has no login, so nobody needs a token. Make the first administrator, then sign in."
        )
    named = principal.name if own or name is None else name.lower()
    found = must_be_somebody(named, principals.hold(tx, named), "principal")
    if own and found.id != principal.identity.id:
        # Deleted a moment ago, and another one made with the name.
        raise nobody(named)
    if not own and found.kind is not PrincipalKind.SERVICE:
        raise PermissionDenied(
            f"'{found.name}' isn't a service principal: users make their tokens themselves, groups have none."
        )
    return found


def lifetime(days: int) -> int:
    """So many days in milliseconds, if a personal token may live that long."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidArgument(f"'days' is 1 to {MAX_DAYS}, not {days:,}.", field="days")
    return days * DAY


def expiry_of(principal: Principal, now: int, wanted: int | None, usual: int) -> int:
    """When a new token expires: after what was asked for, else after the usual time or with the maker's."""
    until = now + (usual if wanted is None else wanted)
    # A session stands for somebody who is there: it sets no end.
    if principal.token is None or principal.token.kind is TokenKind.SESSION:
        return until
    end = principal.token.expiry_time
    # Some hours less than was asked for are let pass: the maker's own days began to run before.
    if wanted is not None and until - DAY >= end:
        last = datetime.fromtimestamp(end / 1000, UTC)
        raise PermissionDenied(
            f"A token makes none that lives longer than itself, and yours expires on {last:%Y-%m-%d}. Ask "
            "for fewer days, get yourself a longer one first (`runyard login --days N`), or make the new one "
            "in the browser, on the server's start page."
        )
    return min(until, end)


def for_workspace(
    principal: Principal, kind: TokenKind, name: str, run: str | None, now: int, until: int
) -> Token:
    """The caller's token for the workspace that the request chose."""
    return Token(
        id=ids.new_key(),
        kind=kind,
        owner=principal.name,
        name=name,
        workspace_id=principal.workspace.id,
        run=run,
        creation_time=now,
        expiry_time=until,
        last_used_time=None,
        workspace=principal.workspace.name,
    )


def insert(
    tx: Transaction,
    principal: Principal,
    token: Token,
    secret: str,
    owner_id: int,
    experiment: int | None = None,
    **detail: Any,
) -> Token:
    """Store a new token and note it; `detail` is what else the activity log says of it."""
    check_number(tx, token, owner_id)
    store.insert(tx, token, hashlib.sha256(secret.encode()).digest(), owner_id, experiment)
    note_token(tx, principal, "token.create", token, **detail)
    return token


def check_number(tx: Transaction, token: Token, owner_id: int) -> None:
    """Refuse one token more than its owner may have."""
    most = MAX_VALID[token.kind]
    if store.count(tx, owner_id, token.kind, token.creation_time) >= most:
        if token.kind is TokenKind.UPLOAD:
            raise QuotaExceeded(
                f"'{token.owner}' has begun {most:,} uploads in parts that are neither complete nor aborted, "
                "and may begin no more. Complete or abort some; those that were begun more than a day ago "
                "don't count."
            )
        kind = "tokens of runs" if token.kind is TokenKind.RUN else f"{token.kind.name.lower()} tokens"
        raise QuotaExceeded(
            f"'{token.owner}' has {most:,} {kind} that are valid, and may have no more. Use one again "
            "instead of making another, or revoke some: `runyard token list` shows them, `runyard token "
            "revoke ID` ends one. What has expired doesn't count."
        )


def note_token(tx: Transaction, principal: Principal, action: str, token: Token, **detail: Any) -> None:
    """Note in the activity log what was done with a token."""
    note(
        tx,
        principal,
        action,
        "token",
        token.id,
        workspace_id=token.workspace_id or 0,
        kind=token.kind.name.lower(),
        owner=token.owner,
        name=token.name,
        expiry_time=token.expiry_time,
        **detail,
    )
