"""Browser sessions: begun by a sign-in, ended by a sign-out, a new password or time.

A session is a token of 256 random bits that the browser keeps in a cookie and the server as SHA-256. Each
sign-in makes a new one and ends the one that the browser brought along, so nobody can be given a session
beforehand. It is over `IDLE` after its last use, and `LONGEST` after it began at the latest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from runyard.server.auth.service.activity import note
from runyard.server.auth.service.passwords import Passwords, wrong
from runyard.server.auth.store import access as store
from runyard.server.auth.store import sessions as session_store
from runyard.server.auth.types import Access, Identity, Principal, PrincipalKind, TokenKind, WorkspaceRef
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids

_HOUR = 3_600_000
IDLE, LONGEST = 12 * _HOUR, 7 * 24 * _HOUR

_NOWHERE = WorkspaceRef(0, "", 0)


class Sessions:
    """Begins and ends sessions.

    Args:
        database: where they live.
        passwords: verifies those of who signs in by one.
        forget: lets what is remembered of credentials in this process be looked up anew.
    """

    def __init__(self, database: Database, passwords: Passwords, forget: Callable[[], None]) -> None:
        self._database = database
        self._passwords = passwords
        self._forget = forget

    async def sign_in(self, name: str, password: str, address: str, before: bytes | None) -> str:
        """Begin a session of whom a name and a password belong to.

        Args:
            name, password: as they were typed.
            address: where they come from.
            before: the session that the browser brought along; it ends.

        Returns:
            The session's token.

        Raises:
            Unauthenticated: the name or the password is wrong.
            LimitExceeded: too many tries failed lately.
        """
        # No name holds a NUL, and PostgreSQL can't even look for one.
        plain = name.strip().lower().replace("\x00", "\ufffd")
        row = await self._database.read_point(lambda c: store.find_by_name(c, plain))
        stored = row.password_hash if row is not None and _may_sign_in(row) else None
        if not await self._passwords.verify(plain, password, stored, address) or row is None:
            raise wrong()
        principal_id, token = row.id, new_token()

        def mutate(tx: Transaction) -> None:
            found = store.find(tx, principal_id)
            if found is None or not _may_sign_in(found) or found.password_hash != stored:
                raise wrong()  # it changed while the password was being verified
            begin(tx, found, token, "password", address, before)
            tx.after_commit(self._forget)

        await self._database.write(mutate)
        return token

    async def sign_out(self, session: bytes, principal: Principal) -> None:
        """End a session."""

        def mutate(tx: Transaction) -> None:
            if session_store.delete_one(tx, digest_of(session)):
                note(tx, principal, "logout", "user", principal.name, workspace_id=0)
            tx.after_commit(self._forget)

        await self._database.write(mutate)


def begin(
    tx: Transaction,
    row: store.PrincipalRow,
    token: str,
    credential: str,
    address: str,
    before: bytes | None = None,
) -> None:
    """Begin a session in a transaction.

    Args:
        tx: the transaction.
        row: whose session it is.
        token: its token, made by `new_token`.
        credential: by what it was recognized, for the activity log.
        address: where it signed in.
        before: the session that the browser brought along; it ends.
    """
    now = clock.now_ms()
    if before is not None:
        session_store.delete_one(tx, digest_of(before))
    session_store.insert(tx, row.id, digest_of(token.encode()), now, now + min(IDLE, LONGEST))
    identity = Identity(row.id, row.name, PrincipalKind(row.kind), bool(row.is_admin))
    principal = Principal(identity, _NOWHERE, Access(), credential, address)
    note(tx, principal, "login.succeed", "user", row.name, workspace_id=0)


def extend(tx: Transaction, token_id: int, now: int) -> None:
    """Note that a session is in use."""
    session_store.extend(tx, token_id, now, now + IDLE, LONGEST)


def user_exists(connection: Connection) -> bool:
    """Whether a user exists, so that everybody has to sign in."""
    return store.any_user(connection)


def new_token() -> str:
    """A token for a new session."""
    return ids.new_token(TokenKind.SESSION.prefix)


def digest_of(token: bytes) -> bytes:
    """What is stored of a session's token."""
    return hashlib.sha256(token).digest()


def _may_sign_in(row: store.PrincipalRow) -> bool:
    return row.kind == PrincipalKind.USER and not row.is_disabled
