"""What a caller may know of itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from runyard.server.auth.permissions import Permission
from runyard.server.auth.rules import GRANTABLE
from runyard.server.auth.store import access as store
from runyard.server.auth.types import Principal
from runyard.server.db import Database


class Self(msgspec.Struct, frozen=True):
    """A caller in its workspace.

    Attributes:
        principal: who.
        roles: that it has in the workspace, by itself or through a group.
        permissions: that it has in the whole workspace or on the server, with this credential.
        somewhere: those that only the rules of some folders or experiments give it.
        login_required: whether everybody has to sign in.
    """

    principal: Principal
    roles: list[str]
    permissions: list[Permission]
    somewhere: list[Permission]
    login_required: bool


class WhoAmI:
    """Tells callers who they are.

    Args:
        database: knows the roles.
        login_required: whether everybody has to sign in.
    """

    def __init__(self, database: Database, login_required: Callable[[], bool]) -> None:
        self._database = database
        self._login_required = login_required

    async def get(self, principal: Principal) -> Self:
        """Who the caller is and what it may do in the workspace that the request chose."""
        identity, workspace = principal.identity, principal.workspace
        access = principal.access
        roles = await self._database.read_point(lambda c: store.roles_of(c, identity.id, workspace.id))
        known = [p for p in Permission if p.of_server or p in GRANTABLE]
        return Self(
            principal=principal,
            roles=sorted(roles),
            permissions=[p for p in known if p in access.permissions],
            somewhere=[p for p in known if p not in access.permissions and access.admits(p)],
            login_required=self._login_required(),
        )
