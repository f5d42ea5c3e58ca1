"""Tickets for the parts of uploads."""

from __future__ import annotations

import hashlib

from runyard.server.auth.service.issuing import DAY, expiry_of, for_workspace, owner_of
from runyard.server.auth.store import tokens as store
from runyard.server.auth.types import Principal, TokenKind
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock, ids

UPLOAD_DAYS = 1


class Tickets:
    """Makes tickets.

    Args:
        database: where they live, as one more kind of token that isn't listed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, principal: Principal) -> str | None:
        """The secret of a ticket for an upload's parts, which clients send without their own credential.

        It is good for a day, and no longer than the caller's own token. None without login.
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

        def mutate(tx: Transaction) -> None:
            store.insert(tx, ticket, digest, owner_of(tx, principal, None).id, experiment)

        await self._database.write(mutate)
        return secret
