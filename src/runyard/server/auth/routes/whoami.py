"""`/whoami`."""

from __future__ import annotations

from typing import Literal

import msgspec

from runyard.server.auth.permissions import Permission
from runyard.server.auth.service.whoami import WhoAmI
from runyard.server.web import Call, Route
from runyard.server.web.native import native


class Caller(msgspec.Struct):
    """Who calls.

    Attributes:
        name: what logs and the activity log show.
        kind: `local` on a server without login.
        workspace: the one that the request chose; null where the caller may not enter it.
        one_workspace: whether the credential is good for one workspace only, which it then needs not name.
        roles: that the caller has in the workspace, by itself or through a group.
        permissions: that it has in all of the workspace, and on the server, with this credential.
        somewhere: those that only the rules of some folders or experiments give it.
        credential: what it was recognized by.
        expiry_time: when that expires, in milliseconds since the epoch; null for a password.
        login_required: whether everybody has to sign in.
    """

    id: str
    name: str
    kind: Literal["local", "user", "service"]
    is_admin: bool
    workspace: str | None
    one_workspace: bool
    roles: list[str]
    permissions: list[str]
    somewhere: list[str]
    credential: str
    expiry_time: int | None
    login_required: bool


class WhoAmIRoutes:
    """Handler of `/whoami`."""

    def __init__(self, whoami: WhoAmI) -> None:
        self._whoami = whoami

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        return [
            native("GET", "/whoami", self.get, None, Caller, Permission.SIGNED_IN, "Who calls"),
        ]

    async def get(self, call: Call) -> Caller:
        """whoami"""
        found = await self._whoami.get(call.principal)
        principal = found.principal
        kind = principal.identity.kind.name.lower()
        return Caller(
            id=str(principal.identity.id),
            name=principal.name,
            kind=kind,  # type: ignore[arg-type]
            is_admin=principal.identity.is_admin,
            workspace=principal.workspace.name or None,
            one_workspace=principal.only is not None,
            roles=found.roles,
            permissions=[p.value for p in found.permissions],
            somewhere=[p.value for p in found.somewhere],
            credential=principal.credential,
            expiry_time=None if principal.token is None else principal.token.expiry_time,
            login_required=found.login_required,
        )
