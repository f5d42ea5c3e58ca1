"""Tokens: made, listed, revoked, ended. The secret is shown once, to whoever asked for it.

No token makes one that can do more or lives longer than it does itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from runyard.server.auth import names
from runyard.server.auth.permissions import Permission
from runyard.server.auth.records import Page, Token
from runyard.server.auth.service.access import access_of
from runyard.server.auth.service.entry import FindWorkspace, WorkspaceNames
from runyard.server.auth.service.issuing import (
    DAY,
    DEFAULT_DAYS,
    check_maker,
    expiry_of,
    for_workspace,
    insert,
    lifetime,
    note_token,
    owner_of,
)
from runyard.server.auth.service.members import must_be_somebody
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.policy import missing, require
from runyard.server.auth.store import principals
from runyard.server.auth.store import tokens as store
from runyard.server.auth.types import Principal, RunFound, TokenKind, WorkspaceRef
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound, PermissionDenied

MAX_TRACKING_SECONDS = 3600
RUN_DAYS = 30
# How long a run's tokens outlive it.
AFTER_RUN = 3_600_000
# How long an expired token says that it has expired, before it is one that nobody knows.
KEPT_DAYS = 30
AT_ONCE = 1000

# The run that a principal may write to; raises what it must be told otherwise.
FindRun = Callable[[Transaction, Principal, str], RunFound]


class Tokens:
    """Make, list and revoke tokens.

    Args:
        database: where they live.
        find_workspace: the workspace of a name, in a snapshot.
        workspace_names: the names of workspaces.
        find_run: knows runs.
        changed: called after each change that could close a door.
    """

    def __init__(
        self,
        database: Database,
        find_workspace: FindWorkspace,
        workspace_names: WorkspaceNames,
        find_run: FindRun,
        changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._find_workspace = find_workspace
        self._workspace_names = workspace_names
        self._find_run = find_run
        self._changed = changed

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        days: int | None,
        workspace: str | None,
        owner: str | None,
    ) -> tuple[Token, str]:
        """A new personal token and its secret.

        Args:
            principal: who asks.
            name: what the owner recognizes it by.
            days: until it expires; None for 90, or for as long as the caller's own token.
            workspace: the only one that it will be good for; None for all that its owner may enter, or for
                the one of the caller's own token.
            owner: a service principal, for administrators; None for the caller.

        Raises:
            PermissionDenied: the caller's credential makes no tokens, or not such ones.
            NotFound: there is no such service principal or workspace.
            InvalidArgument: the name or the time isn't allowed.
        """
        check_maker(principal)
        plain = names.token_name(name)
        now = clock.now_ms()
        until = expiry_of(principal, now, None if days is None else lifetime(days), DEFAULT_DAYS * DAY)
        key, secret = ids.new_key(), ids.new_token(TokenKind.PERSONAL.prefix)
        if owner is not None and owner.lower() != principal.name:
            require(principal, Permission.USER_WRITE)

        def mutate(tx: Transaction) -> Token:
            ref = self._workspace(tx, principal, workspace)
            target = owner_of(tx, principal, owner)
            made = Token(
                id=key,
                kind=TokenKind.PERSONAL,
                owner=target.name,
                name=plain,
                workspace_id=None if ref is None else ref.id,
                run=None,
                creation_time=now,
                expiry_time=until,
                last_used_time=None,
                workspace=None if ref is None else ref.name,
            )
            return insert(tx, principal, made, secret, target.id)

        return await self._database.write(mutate), secret

    async def create_tracking(self, principal: Principal, seconds: int) -> tuple[Token, str]:
        """A token for tracking in the caller's workspace, for an hour at most, and its secret.

        Raises:
            PermissionDenied: the caller's credential makes no tokens.
            InvalidArgument: the time isn't allowed.
        """
        check_maker(principal)
        if not 1 <= seconds <= MAX_TRACKING_SECONDS:
            raise InvalidArgument(
                f"'seconds' is 1 to {MAX_TRACKING_SECONDS:,}, not {seconds:,}.", field="seconds"
            )
        now = clock.now_ms()
        made = for_workspace(
            principal, TokenKind.TRACKING, "", None, now, expiry_of(principal, now, None, seconds * 1000)
        )
        secret = ids.new_token(TokenKind.TRACKING.prefix)

        def mutate(tx: Transaction) -> Token:
            return insert(tx, principal, made, secret, owner_of(tx, principal, None).id)

        return await self._database.write(mutate), secret

    async def create_for_run(self, principal: Principal, run: str) -> tuple[Token, str]:
        """A token for one run, its artifacts and its children, and its secret. It is good until an hour
        after the run's end, and at most for 30 days.

        Raises:
            PermissionDenied: the caller may not write to the run, or its credential makes no tokens.
            NotFound: there is no such run for the caller.
        """
        check_maker(principal)
        now = clock.now_ms()
        secret = ids.new_token(TokenKind.RUN.prefix)
        until = expiry_of(principal, now, None, RUN_DAYS * DAY)
        made = for_workspace(principal, TokenKind.RUN, run, run, now, until)

        def mutate(tx: Transaction) -> Token:
            found = self._find_run(tx, principal, run)
            end = min(until, now + AFTER_RUN) if found.over else until
            token = msgspec.structs.replace(made, expiry_time=end)
            owner = owner_of(tx, principal, None).id
            return insert(tx, principal, token, secret, owner, found.scope.experiment)

        return await self._database.write(mutate), secret

    async def page(
        self, principal: Principal, owner: str | None, expired: bool, limit: int, token: str | None
    ) -> Page[Token]:
        """A page of tokens and sessions, newest first.

        Args:
            principal: who asks. With a token for one workspace it sees those for that one.
            owner: whose; None for the caller's own, others' are for administrators.
            expired: whether those that have expired are shown as well.
            limit: the page's size.
            token: where the page starts.
        """
        own = _check_manager(principal, owner)
        since = 0 if expired else clock.now_ms()
        named = principal.name if own or owner is None else owner.lower()
        kind = f"tokens of {named}"
        before, last = begin(kind, limit, token, [2**62, 0])

        def read(connection: Connection) -> Page[Token]:
            owner_id = principal.identity.id
            if not own:
                owner_id = must_be_somebody(named, principals.find(connection, named), "user").id
            found = store.page(
                connection,
                owner_id,
                workspace_id=principal.only,
                since=since,
                after=(before, last),
                count=limit + 1,
            )
            page = cut(kind, found, limit, lambda item: [item.creation_time, item.id])
            return Page(self._named(connection, page.items), page.next_token)

        return await self._database.read(read)

    async def revoke(self, principal: Principal, token_id: int) -> None:
        """Delete one of the caller's own tokens; administrators delete any.

        Raises:
            NotFound: there is no such token for the caller.
        """
        _check_manager(principal, None)

        def mutate(tx: Transaction) -> None:
            found = store.find(tx, token_id)
            if found is None or not _may_revoke(principal, *found):
                raise NotFound(f"There is no token {token_id} that you may revoke.", field="id")
            token, _ = found
            if not store.drop(tx, token_id):
                raise NotFound(f"There is no token {token_id} that you may revoke.", field="id")
            note_token(tx, principal, "token.revoke", token)
            tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def purge(self) -> None:
        """Delete what expired long ago."""
        now = clock.now_ms()
        for drop, before in ((store.drop_expired, now - KEPT_DAYS * DAY), (store.drop_tickets, now)):
            while await self._database.write(partial(drop, before=before, most=AT_ONCE)) == AT_ONCE:
                pass

    def _workspace(self, tx: Transaction, principal: Principal, name: str | None) -> WorkspaceRef | None:
        """The one workspace that a new token will be good for."""
        only = principal.only
        if name is None:
            if only is None:
                return None
            name = self._workspace_names(tx, [only]).get(only, "")
        found = self._find_workspace(tx, name)
        if found is None or not access_of(tx, principal.identity, found.id).member:
            raise missing(name)
        if only is not None and found.id != only:
            raise PermissionDenied("Your own token is for one workspace: it makes no token for another one.")
        return found

    def _named(self, connection: Connection, tokens: Sequence[Token]) -> list[Token]:
        found = {token.workspace_id for token in tokens if token.workspace_id is not None}
        known = self._workspace_names(connection, sorted(found)) if found else {}
        return [
            token
            if token.workspace_id is None
            else msgspec.structs.replace(token, workspace=known.get(token.workspace_id))
            for token in tokens
        ]


def end_of_run(tx: Transaction, run: str) -> None:
    """A run has ended or was deleted: its tokens end an hour later. In the transaction of that change."""
    store.end_of_run(tx, run, clock.now_ms() + AFTER_RUN)


def end_of_runs(tx: Transaction, runs: Sequence[str]) -> None:
    """The same for several runs."""
    store.end_of_runs(tx, runs, clock.now_ms() + AFTER_RUN)


def end_of_experiment(tx: Transaction, experiment_id: int) -> None:
    """The same for all runs of an experiment that was deleted."""
    store.end_of_experiment(tx, experiment_id, clock.now_ms() + AFTER_RUN)


def _check_manager(principal: Principal, owner: str | None) -> bool:
    """Whether the tokens are the caller's own; those of others need an administrator."""
    token = principal.token
    if token is not None and token.kind in (TokenKind.TRACKING, TokenKind.RUN):
        raise PermissionDenied(
            f"A {token.kind.name.lower()} token manages no tokens. Sign in, or send a personal token."
        )
    own = owner is None or owner.lower() == principal.name
    if not own:
        require(principal, Permission.USER_READ)
    return own


def _may_revoke(principal: Principal, token: Token, owner_id: int) -> bool:
    if owner_id != principal.identity.id:
        return principal.access.allows(Permission.USER_WRITE)
    return principal.only in (None, token.workspace_id)
