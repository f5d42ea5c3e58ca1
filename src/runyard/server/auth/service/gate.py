"""From a request to its principal: the one place where credentials are looked at and permissions enforced.

What was found out about a credential is kept for five seconds: that is how long a revocation may take to
reach another process. In this one, `forget` makes it immediate.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from runyard.server.auth.permissions import OF_ONE_WORKSPACE, OF_RUN_TOKEN, OF_UPLOAD, TRACKING, Permission
from runyard.server.auth.service import sessions
from runyard.server.auth.service.access import access_of
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.entry import Entry
from runyard.server.auth.service.header import parsed
from runyard.server.auth.service.passwords import Passwords, wrong
from runyard.server.auth.service.policy import check_state, denied, missing
from runyard.server.auth.store import access as store
from runyard.server.auth.store import tokens as token_store
from runyard.server.auth.types import (
    DEFAULT_WORKSPACE,
    LOCAL,
    LOCAL_IDENTITY,
    Access,
    Identity,
    Principal,
    PrincipalKind,
    RunScope,
    TokenKind,
    TokenUse,
    WorkspaceRef,
    WorkspaceState,
)
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import NotFound, PermissionDenied, Unauthenticated, Unavailable

KEPT_SECONDS = 5.0
# While there is no user, how often is looked for one that another process made.
LOOK_SECONDS = 1.0
# For how long what was known counts while the database is away, for whoever watches the server.
STALE_SECONDS = 300.0
MAX_KEPT = 10_000
USE_NOTED_MS = 60_000


class _Found(NamedTuple):
    """What a credential turned out to be, in one workspace."""

    until: float
    # None: the workspace isn't there for it.
    principal: Principal | None
    # The same principal without a workspace, for what needs none.
    anywhere: Principal
    # Which workspaces are there for it, where this one isn't.
    told: str = ""


class Gate:
    """Recognizes principals and lets them pass, or not.

    Args:
        database: where principals live.
        entry: finds workspaces.
        passwords: verifies them.
        cookie: finds a browser's session.
        login: whether everybody has to sign in even while there is no user.
    """

    def __init__(
        self,
        database: Database,
        entry: Entry,
        passwords: Passwords,
        cookie: SessionCookie,
        *,
        login: bool = False,
    ) -> None:
        self._database = database
        self._cookie = cookie
        self._entry = entry
        self._passwords = passwords
        self._key = ids.new_secret_key()
        self._kept: dict[tuple[bytes, str], _Found] = {}
        self._local: dict[str, _Found] = {}
        # Counts what was forgotten: what was looked up before must not be kept after it.
        self._forgotten = 0
        self._login_required = login
        self._looking: dict[tuple[bytes, str], asyncio.Future[_Found]] = {}
        self._looked = 0.0
        self._swept = 0.0

    @property
    def login_required(self) -> bool:
        """Whether a user exists, so that everybody has to sign in."""
        return self._login_required

    async def look(self) -> None:
        """Find out whether a user exists, unless that is known; once there was one, login stays."""
        if not self._login_required and clock.monotonic() >= self._looked + LOOK_SECONDS:
            self._looked = clock.monotonic()
            if await self._database.read_point(store.any_user):
                self._login_required = True

    def forget(self) -> None:
        """Look everything up anew: principals, roles, rules, tokens or workspaces have changed."""
        self._forgotten += 1
        self._kept.clear()
        self._local.clear()
        self._looking.clear()
        self._looked = 0.0

    def __call__(
        self, scope: Mapping[str, Any], permission: Permission, workspace: str
    ) -> Principal | Awaitable[Principal]:
        """The principal of a request, if it holds the permission in the workspace.

        Args:
            scope: the request's ASGI scope.
            permission: what the route declares.
            workspace: the name of the workspace that the request chose; empty if it chose none.

        Raises:
            Unauthenticated: there is no credential, or it isn't valid (any more).
            NotFound: the workspace doesn't exist for this principal.
            PermissionDenied: it doesn't hold the permission.
        """
        if permission is Permission.PUBLIC:
            anybody = _NOBODY if self._login_required else LOCAL
            return msgspec.structs.replace(anybody, address=_address(scope))
        now = clock.monotonic()
        if not self._login_required and now < self._looked + LOOK_SECONDS:
            local = self._local.get(workspace)
            if local is not None and local.until > now:
                return _admit(local, permission, workspace, scope)
            return self._slowly(scope, permission, workspace)
        sent = self._sent(scope)
        if self._login_required and sent is not None:
            found = self._kept.get((self._digest(sent), workspace))
            if found is not None and found.until > now:
                return _admit(found, permission, workspace, scope)
        return self._slowly(scope, permission, workspace)

    async def recognize(self, scope: Mapping[str, Any]) -> Principal | None:
        """Whom a request's credential belongs to, in no workspace; None without a valid one."""
        await self.look()
        sent = self._sent(scope)
        if sent is None or not self._login_required:
            return None
        try:
            found = (await self._find(sent, "", _address(scope))).anywhere
        except Unauthenticated:
            return None
        return None if _is_ticket(found) else msgspec.structs.replace(found, address=_address(scope))

    async def _slowly(self, scope: Mapping[str, Any], permission: Permission, workspace: str) -> Principal:
        try:
            return await self._look_up(scope, permission, workspace)
        except Unavailable:
            last = self._known_last(scope, workspace)
            if permission is not Permission.SIGNED_IN or last is None:
                raise
            return _admit(last, permission, workspace, scope)

    def _known_last(self, scope: Mapping[str, Any], workspace: str) -> _Found | None:
        """What was known: whoever watches the server must be able to when its database is away."""
        sent = self._sent(scope)
        if not self._login_required:
            last = self._local.get(workspace)
        else:
            last = None if sent is None else self._kept.get((self._digest(sent), workspace))
        return None if last is None or clock.monotonic() > last.until + STALE_SECONDS else last

    async def _look_up(self, scope: Mapping[str, Any], permission: Permission, workspace: str) -> Principal:
        forgotten = self._forgotten
        await self.look()
        if not self._login_required:
            found = await self._database.read_point(lambda c: self._find_local(c, workspace))
            # Names of none would be kept without end.
            if forgotten == self._forgotten and found.principal is not None:
                self._make_room()
                self._local[workspace] = found
            return _admit(found, permission, workspace, scope)
        sent = self._sent(scope)
        if sent is None:
            raise Unauthenticated(
                "Sign in first: send a token (MLFLOW_TRACKING_TOKEN, RUNYARD_TOKEN, 'Authorization: Bearer "
                "...') or a name and a password (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)."
            )
        digest = self._digest(sent)
        try:
            found = await self._find_once((digest, workspace), sent, _address(scope))
        except Unauthenticated:
            self._kept.pop((digest, workspace), None)
            raise
        if forgotten == self._forgotten:
            self._make_room()
            self._kept[digest, workspace] = found
        return _admit(found, permission, workspace, scope)

    def _make_room(self) -> None:
        """Now and then drop what is kept of credentials that nobody used lately: they may hold many rules."""
        now = clock.monotonic()
        if now < self._swept + KEPT_SECONDS and len(self._kept) < MAX_KEPT:
            return
        self._swept = now
        self._kept = {key: found for key, found in self._kept.items() if found.until > now}
        self._local = {key: found for key, found in self._local.items() if found.until > now}
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()

    async def _find_once(self, key: tuple[bytes, str], sent: bytes, address: str) -> _Found:
        """Like `_find`. Those who bring the same at the same time share one look-up.

        Else a client's many connections would each do it whenever it is time again, and with a password
        they would be taken for somebody who tries one after the other.
        """
        looking = self._looking.get(key)
        if looking is None:
            looking = asyncio.ensure_future(self._find(sent, key[1], address))
            self._looking[key] = looking
            looking.add_done_callback(partial(self._end_looking, key))
        return await asyncio.shield(looking)

    def _end_looking(self, key: tuple[bytes, str], looking: asyncio.Future[_Found]) -> None:
        if self._looking.get(key) is looking:
            del self._looking[key]
        if not looking.cancelled():
            looking.exception()  # whoever still waits is told

    async def _find(self, sent: bytes, workspace: str, address: str) -> _Found:
        name, secret = parsed(sent)
        if any(secret.startswith(kind.prefix) for kind in TokenKind):
            digest = hashlib.sha256(secret.encode()).digest()
            found, used = await self._database.read_point(lambda c: self._of_token(c, digest, workspace))
            if used is not None:
                # Not part of the request: it is answered without waiting for this.
                self._database.write_later(used)
            return found
        if name is None:
            raise Unauthenticated("This token isn't one that this server gave.")
        row = await self._database.read_point(lambda c: store.find_by_name(c, name.lower()))
        stored = None if row is None or row.is_disabled else row.password_hash
        digest = self._digest(sent)
        if stored is None or not self._passwords.remembered(digest, stored):
            if not await self._passwords.verify(name.lower(), secret, stored, address):
                raise wrong()
            assert stored is not None  # noqa: S101 - nobody's password never matches
            self._passwords.remember(digest, stored)
        assert row is not None  # noqa: S101 - it had the password
        principal_id = row.id
        return await self._database.read_point(
            lambda c: self._compose(c, principal_id, workspace, "password")
        )

    def _of_token(
        self, connection: Connection, digest: bytes, workspace: str
    ) -> tuple[_Found, Callable[[Transaction], None] | None]:
        token = store.find_token(connection, digest)
        if token is None:
            raise Unauthenticated("This token isn't one that this server gave, or it was revoked.")
        now, kind = clock.now_ms(), TokenKind(token.kind)
        if token.expiry_time <= now:
            raise Unauthenticated(f"This {_NAMES[kind]} has expired. {_INSTEAD[kind]}")
        limit = _LIMITS.get(kind, None if token.workspace_id is None else OF_ONE_WORKSPACE)
        scope = None if token.run_uuid is None else RunScope(token.run_uuid, token.experiment_id or 0)
        label = f"{_NAMES[kind]} {token.name}".strip()
        # A ticket from before uploads were noted is for none.
        upload = (token.upload or "") if kind is TokenKind.UPLOAD else None
        use = TokenUse(token.id, kind, token.workspace_id, token.expiry_time, upload)
        found = self._compose(connection, token.principal_id, workspace, label, limit, scope, use)
        if token.last_used_time is not None and now - token.last_used_time < USE_NOTED_MS:
            return found, None
        if kind is TokenKind.SESSION:
            return found, lambda tx: sessions.extend(tx, token.id, now)
        return found, lambda tx: token_store.note_use(tx, token.id, now)

    def _compose(
        self,
        connection: Connection,
        principal_id: int,
        workspace: str,
        credential: str,
        limit: frozenset[Permission] | None = None,
        scope: RunScope | None = None,
        token: TokenUse | None = None,
    ) -> _Found:
        row = store.find(connection, principal_id)
        if row is None or row.is_disabled:
            raise Unauthenticated("The owner of this credential was removed or disabled.")
        identity = Identity(row.id, row.name, PrincipalKind(row.kind), bool(row.is_admin))
        nowhere = Access(admin=identity.is_admin, limit=limit, scope=scope)
        anywhere = Principal(identity, _NOWHERE, nowhere, credential, token=token)
        until = clock.monotonic() + KEPT_SECONDS
        if token is not None:
            # Or it would be good for some seconds longer than it says.
            until = min(until, clock.monotonic() + (token.expiry_time - clock.now_ms()) / 1000)
        chosen = self._entry.find(connection, workspace, anywhere.only)
        if chosen is None or anywhere.only not in (None, chosen.id):
            return _Found(until, None, anywhere, self._entry.told(connection, anywhere))
        access = access_of(connection, identity, chosen.id, limit, scope)
        if not access.member or (chosen.state is WorkspaceState.DELETED and not access.owner):
            return _Found(until, None, anywhere, self._entry.told(connection, anywhere))
        return _Found(until, msgspec.structs.replace(anywhere, workspace=chosen, access=access), anywhere)

    def _find_local(self, connection: Connection, workspace: str) -> _Found:
        until = clock.monotonic() + KEPT_SECONDS
        chosen = self._entry.find(connection, workspace)
        anywhere = Principal(LOCAL_IDENTITY, _NOWHERE, LOCAL.access, LOCAL.credential)
        if chosen is None:
            return _Found(until, None, anywhere)
        return _Found(until, Principal(LOCAL_IDENTITY, chosen, LOCAL.access, LOCAL.credential), anywhere)

    def _sent(self, scope: Mapping[str, Any]) -> bytes | None:
        """The credential that a request brings: its Authorization header, else its session's cookie."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                found: bytes = value
                return found
        session = self._cookie.session(scope)
        return None if session is None else b"Bearer " + session

    def _digest(self, sent: bytes) -> bytes:
        return hashlib.blake2b(sent, key=self._key, digest_size=32).digest()


_NOWHERE = WorkspaceRef(0, "", 0)
_NOBODY = Principal(Identity(-1, "nobody", PrincipalKind.LOCAL), _NOWHERE, Access(), "none")
_LIMITS = {TokenKind.TRACKING: TRACKING, TokenKind.RUN: OF_RUN_TOKEN, TokenKind.UPLOAD: OF_UPLOAD}
_NAMES = {
    TokenKind.PERSONAL: "personal token",
    TokenKind.TRACKING: "tracking token",
    TokenKind.RUN: "run token",
    TokenKind.SESSION: "session",
    TokenKind.UPLOAD: "upload's ticket",
}
_INSTEAD = {
    TokenKind.PERSONAL: "Sign in again (`runyard login`), or make a new one (`runyard token create`).",
    TokenKind.TRACKING: "Ask for a new tracking address: `runyard token create --tracking`.",
    TokenKind.RUN: "It is valid until an hour after its run has ended, and at most 30 days.",
    TokenKind.SESSION: "Sign in again.",
    TokenKind.UPLOAD: "Begin the upload anew.",
}


def _admit(found: _Found, permission: Permission, workspace: str, scope: Mapping[str, Any]) -> Principal:
    """Let a principal pass if it holds the permission somewhere in its workspace."""
    principal = found.principal
    if _is_ticket(found.anywhere) and permission is not Permission.ARTIFACT_PART:
        raise PermissionDenied("An upload's ticket is good for the parts of the upload, and nothing else.")
    if permission is Permission.SIGNED_IN or permission.of_server:
        principal = principal or found.anywhere
        if permission.of_server and permission not in principal.access.permissions:
            raise denied(principal, permission)
    elif principal is None or not _reaches(principal.workspace, permission):
        if not workspace and found.told and found.anywhere.only is not None:
            raise NotFound(found.told, field="workspace")
        raise missing(workspace or DEFAULT_WORKSPACE.name, found.told)
    elif not principal.access.admits(permission):
        raise denied(principal, permission)
    else:
        check_state(principal, permission)
    return msgspec.structs.replace(principal, address=_address(scope))


def _is_ticket(principal: Principal) -> bool:
    return principal.token is not None and principal.token.kind is TokenKind.UPLOAD


def _reaches(workspace: WorkspaceRef, permission: Permission) -> bool:
    """Of a workspace in the trash nothing is left but itself, to be looked at and to be restored."""
    return workspace.state is not WorkspaceState.DELETED or permission.value.startswith("workspaces/")


def _address(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return client[0] if client else ""
