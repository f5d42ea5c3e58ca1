"""Tokens: made, listed, revoked, ended. The secret is shown once, to whoever asked for it.

No token makes one that can do more or lives longer than it does itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from runyard.server.auth import names
from runyard.server.auth.permissions import Permission
from runyard.server.auth.records import Page, Token, User
from runyard.server.auth.service.access import access_of
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.members import must_be_somebody, nobody
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.policy import missing, require
from runyard.server.auth.store import principals
from runyard.server.auth.store import tokens as store
from runyard.server.auth.types import Principal, PrincipalKind, RunFound, TokenKind, WorkspaceRef
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound, PermissionDenied

DAY = 24 * 3_600_000
DEFAULT_DAYS, MAX_DAYS = 90, 366
MAX_TRACKING_SECONDS = 3600
RUN_DAYS = 30
UPLOAD_DAYS = 1
# How long a run's tokens outlive it.
AFTER_RUN = 3_600_000
# How long an expired token says that it has expired, before it is one that nobody knows.
KEPT_DAYS = 30
AT_ONCE = 1000

FindWorkspace = Callable[[Connection, str], WorkspaceRef | None]
WorkspaceNames = Callable[[Connection, Sequence[int]], Mapping[int, str]]
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
        _check_maker(principal)
        plain = names.token_name(name)
        now = clock.now_ms()
        until = _until(principal, now, None if days is None else lifetime(days), DEFAULT_DAYS * DAY)
        key, secret = ids.new_key(), ids.new_token(TokenKind.PERSONAL.prefix)
        if owner is not None and owner.lower() != principal.name:
            require(principal, Permission.USER_WRITE)

        def mutate(tx: Transaction) -> Token:
            ref = self._workspace(tx, principal, workspace)
            target = _owner(tx, principal, owner)
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
        _check_maker(principal)
        if not 1 <= seconds <= MAX_TRACKING_SECONDS:
            raise InvalidArgument(
                f"'seconds' is 1 to {MAX_TRACKING_SECONDS:,}, not {seconds:,}.", field="seconds"
            )
        now = clock.now_ms()
        made = _for_workspace(
            principal, TokenKind.TRACKING, "", None, now, _until(principal, now, None, seconds * 1000)
        )
        secret = ids.new_token(TokenKind.TRACKING.prefix)

        def mutate(tx: Transaction) -> Token:
            return insert(tx, principal, made, secret, _owner(tx, principal, None).id)

        return await self._database.write(mutate), secret

    async def create_for_run(self, principal: Principal, run: str) -> tuple[Token, str]:
        """A token for one run, its artifacts and its children, and its secret. It is good until an hour
        after the run's end, and at most for 30 days.

        Raises:
            PermissionDenied: the caller may not write to the run, or its credential makes no tokens.
            NotFound: there is no such run for the caller.
        """
        _check_maker(principal)
        now = clock.now_ms()
        secret = ids.new_token(TokenKind.RUN.prefix)
        until = _until(principal, now, None, RUN_DAYS * DAY)
        made = _for_workspace(principal, TokenKind.RUN, run, run, now, until)

        def mutate(tx: Transaction) -> Token:
            found = self._find_run(tx, principal, run)
            end = min(until, now + AFTER_RUN) if found.over else until
            token = msgspec.structs.replace(made, expiry_time=end)
            owner = _owner(tx, principal, None).id
            return insert(tx, principal, token, secret, owner, found.scope.experiment)

        return await self._database.write(mutate), secret

    async def create_for_upload(self, principal: Principal) -> str | None:
        """The secret of a ticket for an upload's parts, which clients send without their own credential.

        It is good for a day, and no longer than the caller's own token. None without login.
        """
        if principal.identity.id == 0:
            return None
        now = clock.now_ms()
        until = _until(principal, now, None, UPLOAD_DAYS * DAY)
        scope = principal.access.scope
        run, experiment = (None, None) if scope is None else (scope.run, scope.experiment)
        ticket = _for_workspace(principal, TokenKind.UPLOAD, "", run, now, until)
        secret = ids.new_token(TokenKind.UPLOAD.prefix)
        digest = hashlib.sha256(secret.encode()).digest()

        def mutate(tx: Transaction) -> None:
            store.insert(tx, ticket, digest, _owner(tx, principal, None).id, experiment)

        await self._database.write(mutate)
        return secret

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
            _note(tx, principal, "token.revoke", token)
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


def _check_maker(principal: Principal) -> None:
    token = principal.token
    if token is not None and token.kind in (TokenKind.TRACKING, TokenKind.RUN):
        raise PermissionDenied(
            f"A {token.kind.name.lower()} token makes no other tokens. Sign in, or send a personal token."
        )


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


def _owner(tx: Transaction, principal: Principal, name: str | None) -> User:
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


def _until(principal: Principal, now: int, wanted: int | None, usual: int) -> int:
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


def _for_workspace(
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
    store.insert(tx, token, hashlib.sha256(secret.encode()).digest(), owner_id, experiment)
    _note(tx, principal, "token.create", token, **detail)
    return token


def _note(tx: Transaction, principal: Principal, action: str, token: Token, **detail: Any) -> None:
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
