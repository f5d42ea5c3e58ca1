"""Tickets for the parts of uploads."""

from __future__ import annotations

import hashlib

from runyard.server.auth.service.issuing import DAY, check_number, expiry_of, for_workspace, owner_of
from runyard.server.auth.store import tokens as store
from runyard.server.auth.types import Principal, TokenKind
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import Unauthenticated

UPLOAD_DAYS = 1


class Tickets:
    """Makes and drops tickets.

    Args:
        database: where they live, as one more kind of token that isn't listed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, principal: Principal, upload: str) -> str | None:
        """The secret of a ticket for an upload's parts, which clients send without their own credential.

        It is good for a day, and ends with the caller's own token, or with its password where it came with
        that. None without login.

        Raises:
            Unauthenticated: the caller's own token was revoked a moment ago.
            QuotaExceeded: the caller has begun too many uploads.
        """
        if principal.identity.id == 0:
            return None
        now = clock.now_ms()
        until = expiry_of(principal, now, None, UPLOAD_DAYS * DAY)
        scope = principal.access.scope
        run, experiment = (None, None) if scope is None else (scope.run, scope.experiment)
        ticket = for_workspace(principal, TokenKind.UPLOAD, "", run, now, until)
        secret = ids.new_token(TokenKind.UPLOAD.prefix)
        digest = hashlib.sha256(secret.encode()).digest()
        maker = None if principal.token is None else principal.token.id

        def mutate(tx: Transaction) -> None:
            owner = owner_of(tx, principal, None).id
            if maker is not None and not store.hold(tx, maker):
                raise Unauthenticated("The token of this request was revoked.")
            check_number(tx, ticket, owner)
            store.insert(tx, ticket, digest, owner, experiment, upload=upload, maker_id=maker)

        await self._database.write(mutate)
        return secret

    def drop(self, principal: Principal, upload: str) -> None:
        """End the caller's tickets of an upload that is complete or aborted, soon: they open nothing now."""
        if principal.identity.id:
            owner = principal.identity.id
            self._database.write_later(lambda tx: store.drop_of_upload(tx, upload, owner))
