"""The way to a provider and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runyard.server.auth.service import sessions
from runyard.server.auth.service.oidc import accounts
from runyard.server.auth.service.oidc.attempt import Seal
from runyard.server.auth.service.oidc.client import Client, visitor
from runyard.server.auth.types import Principal
from runyard.server.db import Database, Transaction
from runyard.server.kernel.errors import MalformedRequest

if TYPE_CHECKING:
    from runyard.server.auth.service.oidc.provider import Provider


class OidcLogin:
    """Signs people in whom a provider recognizes.

    Args:
        database: where users and sessions live.
        client: this server as the provider knows it.
        find_workspace: the workspace of a name.
        forget: lets what is remembered of credentials in this process be looked up anew.
    """

    def __init__(
        self,
        database: Database,
        client: Client,
        find_workspace: accounts.FindWorkspace,
        forget: Callable[[], None],
    ) -> None:
        self._database = database
        self._client = client
        self._find_workspace = find_workspace
        self._forget = forget
        self._seal = Seal(client.secret)
        self._provider: Provider | None = None

    async def begin(self, goal: str) -> tuple[str, str]:
        """Send somebody to the provider.

        Args:
            goal: where the visitor wants to go then.

        Returns:
            The provider's address, and what the browser keeps until it is back.

        Raises:
            Unavailable: the provider can't be asked.
        """
        attempt, kept = self._seal.begin(goal)
        return await self._at_provider().address(attempt), kept

    async def finish(
        self, query: Mapping[str, str], kept: bytes | None, address: str, before: bytes | None
    ) -> tuple[str, str]:
        """Begin a session of whom the provider has recognized.

        Args:
            query: what the provider let the browser bring back.
            kept: what the browser had kept.
            address: where it is.
            before: the session that the browser brought along; it ends.

        Returns:
            The session's token, and where the visitor wanted to go.

        Raises:
            MalformedRequest: this browser began no such sign-in, or too long ago.
            Unauthenticated, PermissionDenied: the provider or this server doesn't let the visitor in.
            Unavailable: the provider can't be asked.
        """
        attempt = self._seal.find(kept, query.get("state", ""))
        if attempt is None:
            raise MalformedRequest(
                "This sign-in wasn't begun in this browser, was ended already, or was begun more than ten "
                "minutes ago. Sign in again."
            )
        provider = self._at_provider()
        if "code" not in query:
            raise provider.refused(query.get("error", "no code"), query.get("error_description", ""))
        claims = await provider.claims(query["code"], query.get("iss"), attempt)
        person, token = visitor(self._client, claims), sessions.new_token()

        def mutate(tx: Transaction) -> None:
            row = accounts.admit(tx, self._client, person, self._find_workspace, address)
            sessions.begin(tx, row, token, accounts.CREDENTIAL, address, before)
            tx.after_commit(self._forget)

        await self._database.write(mutate)
        return token, attempt.goal

    async def link(self, principal: Principal, name: str, subject: str | None) -> None:
        """Let a user sign in as a provider's person; None ends that.

        Raises:
            NotFound: there is no such user.
            AlreadyExists: another user is that person.
        """

        def mutate(tx: Transaction) -> None:
            accounts.link(tx, principal, self._client, name, subject)
            tx.after_commit(self._forget)

        await self._database.write(mutate)

    def _at_provider(self) -> Provider:
        if self._provider is None:
            # authlib, httpx and cryptography: only where somebody signs in so.
            from runyard.server.auth.service.oidc.provider import Provider

            self._provider = Provider(self._client)
        return self._provider
