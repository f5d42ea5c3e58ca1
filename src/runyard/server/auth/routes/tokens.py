"""`/tokens`."""

from __future__ import annotations

from typing import Literal

import msgspec

from runyard.server.auth import records
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import Int64, ListRequest
from runyard.server.auth.service.tokens import MAX_TRACKING_SECONDS, Tokens
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native

TokenName = Literal["personal", "tracking", "run", "session"]


class TokensRequest(ListRequest):
    """Asks for tokens and sessions.

    Attributes:
        user: whose, for administrators; null for the caller's own.
        expired: whether those that have expired are shown as well.
    """

    user: str | None = None
    expired: bool = False


class NewToken(msgspec.Struct):
    """A personal token to make.

    Attributes:
        name: what its owner recognizes it by.
        days: until it expires, 1 to 366; null for 90.
        workspace: the only one that it is good for; null for all that its owner may enter.
        principal: a service principal that it is for, when an administrator makes it; null for the caller.
    """

    name: str
    days: Int64 | None = None
    workspace: str | None = None
    principal: str | None = None


class NewTrackingToken(msgspec.Struct):
    """A token for tracking in the workspace that the request chose; `seconds` until it expires, 1 to 3600."""

    seconds: Int64 = MAX_TRACKING_SECONDS


class NewRunToken(msgspec.Struct):
    """A token for one run, its artifacts and its children."""

    run_id: str


class TokenShown(msgspec.Struct):
    """A token or a browser's session.

    Attributes:
        owner: who acts by it.
        workspace: the only one that it is good for; null for all that its owner may enter.
        run_id: the run that it is for.
        last_used_time: to the minute; null for never.
    """

    id: str
    kind: TokenName
    name: str
    owner: str
    workspace: str | None
    run_id: str | None
    creation_time: int
    expiry_time: int
    last_used_time: int | None


class MadeToken(TokenShown):
    """A new token. `token` is its secret: it is shown here and never again."""

    token: str


class TokensPage(msgspec.Struct):
    """Tokens, newest first."""

    items: list[TokenShown]
    next_page_token: str | None


class TokenRoutes:
    """Handlers of `/tokens`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        own, write = Permission.SIGNED_IN, Permission.RUN_WRITE
        short, run, one = "/tokens/tracking", "/tokens/run", "/tokens/{id}"
        return [
            native("GET", "/tokens", self.list, TokensRequest, TokensPage, own, "Tokens, newest first"),
            native("POST", "/tokens", self.create, NewToken, MadeToken, own, "Make a personal token"),
            native("POST", short, self.track, NewTrackingToken, MadeToken, write, "Make a tracking token"),
            native("POST", run, self.create_for_run, NewRunToken, MadeToken, write, "Make a run's token"),
            native("DELETE", one, self.revoke, None, Done, own, "Revoke a token or end a session"),
        ]

    async def list(self, call: Call) -> TokensPage:
        """GET tokens"""
        sent: TokensRequest = call.body
        page = await self._tokens.page(call.principal, sent.user, sent.expired, sent.limit, sent.page_token)
        return TokensPage([_shown(token) for token in page.items], page.next_token)

    async def create(self, call: Call) -> MadeToken:
        """POST tokens"""
        sent: NewToken = call.body
        made = await self._tokens.create(
            call.principal,
            sent.name,
            days=sent.days,
            workspace=sent.workspace,
            owner=sent.principal,
        )
        return made_token(*made)

    async def track(self, call: Call) -> MadeToken:
        """POST tokens/tracking"""
        return made_token(*await self._tokens.create_tracking(call.principal, call.body.seconds))

    async def create_for_run(self, call: Call) -> MadeToken:
        """POST tokens/run"""
        return made_token(*await self._tokens.create_for_run(call.principal, call.body.run_id))

    async def revoke(self, call: Call) -> Done:
        """DELETE tokens/{id}"""
        text = call.path["id"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise InvalidArgument(f"Invalid id '{text[:100]}'; it is a whole number.", field="id")
        await self._tokens.revoke(call.principal, int(text))
        return Done()


def _shown(token: records.Token) -> TokenShown:
    return TokenShown(
        id=str(token.id),
        kind=token.kind.name.lower(),  # type: ignore[arg-type]
        name=token.name,
        owner=token.owner,
        workspace=token.workspace,
        run_id=token.run,
        creation_time=token.creation_time,
        expiry_time=token.expiry_time,
        last_used_time=token.last_used_time,
    )


def made_token(token: records.Token, secret: str) -> MadeToken:
    """A new token as it is shown, this once."""
    return MadeToken(**msgspec.structs.asdict(_shown(token)), token=secret)
