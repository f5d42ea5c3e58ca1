"""Codes by which a program on somebody's machine gets a token, once they have said so in the browser.

The program makes up a secret and tells its SHA-256 (the challenge of PKCE, RFC 7636) with the address that it
opens in the browser. There somebody who is signed in approves, and a code goes back: to a loopback address
(RFC 8252), or by hand. The program changes it for a token, once, soon, and only with the secret. The code is
in the database, so that any process of the server can take it, and ends with the session that gave it.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from runyard.server.auth.records import Token, User
from runyard.server.auth.rules import Attempts
from runyard.server.auth.service import issuing
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.passwords import TRIES_OF_ADDRESS
from runyard.server.auth.store import access as access_store
from runyard.server.auth.store import login_codes as store
from runyard.server.auth.store import principals
from runyard.server.auth.store import sessions as session_store
from runyard.server.auth.types import Access, Identity, Principal, PrincipalKind, TokenKind, WorkspaceRef
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.addresses import neighbourhood
from runyard.server.kernel.errors import LimitExceeded, PermissionDenied, Unauthenticated

LASTS_MS = 3 * 60_000
PREFIX = "ryc_"
# What the activity log calls it.
CREDENTIAL = "login code"
AT_ONCE = 1000

_NOWHERE = WorkspaceRef(0, "", 0)
_NOBODY = Identity(-1, "nobody", PrincipalKind.LOCAL)


class Asked(msgspec.Struct, frozen=True):
    """What a program asks for.

    Attributes:
        challenge: SHA-256 of what it alone knows.
        name: what the token is called.
        days: until it expires.
    """

    challenge: bytes
    name: str
    days: int


class LoginCodes:
    """Gives codes and takes them back.

    Args:
        database: where they live.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = Attempts(60.0)

    async def approve(self, principal: Principal, asked: Asked) -> str:
        """A code for the program that asks, which will act as `principal`; an older one of the session ends.

        Raises:
            PermissionDenied: it isn't a browser's session that says so.
        """
        session = principal.token
        if session is None or session.kind is not TokenKind.SESSION:
            raise PermissionDenied("Only who is signed in in the browser can let a program in.")
        code = ids.new_token(PREFIX)
        row = store.CodeRow(
            hash=_digest(code),
            challenge=asked.challenge,
            principal_id=principal.identity.id,
            session_id=session.id,
            name=asked.name,
            days=asked.days,
            address=principal.address,
            expiry_time=clock.now_ms() + LASTS_MS,
        )
        await self._database.write(lambda tx: store.insert(tx, row))
        return code

    async def exchange(self, code: str, verifier: str, address: str) -> tuple[Token, str]:
        """Change a code for a personal token; returns it and its secret.

        Args:
            code: what came back from the browser.
            verifier: what only the program that asked knows.
            address: where the program is.

        Raises:
            Unauthenticated: the code isn't valid, or not for this program.
            LimitExceeded: too many tries failed lately.
        """
        place, now = neighbourhood(address), clock.monotonic()
        wait = self._attempts.wait(place, TRIES_OF_ADDRESS, now)
        if wait:
            seconds = int(wait) + 1
            raise LimitExceeded(f"Too many failed sign-ins; try again in {seconds} seconds.", wait=seconds)
        # Before the work, so that tries at the same moment count too.
        self._attempts.note(place, now)
        digest, secret = _digest(code), ids.new_token(TokenKind.PERSONAL.prefix)
        made = None
        # Whoever guesses makes the server read, never write.
        if await self._database.read_point(lambda c: store.exists(c, digest)):
            made = await self._database.write(lambda tx: _exchange(tx, digest, verifier, secret, address))
        if made is None:
            raise Unauthenticated(
                "This code isn't valid: it was used already, is older than three minutes, was given to "
                "another program, was followed by a newer one, or its session has ended. Sign in again."
            )
        self._attempts.take_back(place)
        return made, secret

    async def purge(self) -> None:
        """Delete the codes that nobody took."""
        before = clock.now_ms()
        while await self._database.write(lambda tx: store.drop_expired(tx, before, AT_ONCE)) == AT_ONCE:
            pass


def _exchange(tx: Transaction, digest: bytes, verifier: str, secret: str, address: str) -> Token | None:
    """Take the code, whatever comes of it; returns the token, or None where it gives none."""
    now, row = clock.now_ms(), store.take(tx, digest)
    if row is None or row.expiry_time <= now:
        return None
    owner = _owner(tx, row, now)
    if owner is None:
        return None
    if not hmac.compare_digest(bytes(row.challenge), _digest(verifier)):
        # Somebody has a code that wasn't meant for them: worth knowing.
        nobody = Principal(_NOBODY, _NOWHERE, Access(), CREDENTIAL, address)
        note(tx, nobody, "login.fail", "user", owner.name, workspace_id=0, approved_at=row.address)
        return None
    token = Token(
        id=ids.new_key(),
        kind=TokenKind.PERSONAL,
        owner=owner.name,
        name=row.name,
        workspace_id=None,
        run=None,
        creation_time=now,
        expiry_time=now + issuing.lifetime(row.days),
        last_used_time=None,
    )
    identity = Identity(owner.id, owner.name, owner.kind, owner.is_admin)
    principal = Principal(identity, _NOWHERE, Access(), CREDENTIAL, address)
    return issuing.insert(tx, principal, token, secret, owner.id, approved_at=row.address)


def _owner(tx: Transaction, row: store.CodeRow, now: int) -> User | None:
    """Who gave the code, if their session goes on; nobody deletes them meanwhile."""
    found = access_store.find(tx, row.principal_id)
    if found is None or found.is_disabled or not session_store.lasts(tx, row.session_id, now):
        return None
    return principals.hold(tx, found.name)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
