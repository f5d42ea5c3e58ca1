"""`/roles`."""

from __future__ import annotations

import msgspec

from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import Deleted
from runyard.server.auth.rules import BUILT_IN, GRANTABLE, permissions_of
from runyard.server.auth.service.roles import Roles
from runyard.server.auth.types import RoleDefinition
from runyard.server.web import Call, Route
from runyard.server.web.native import native


class RoleChange(msgspec.Struct):
    """A custom role: what it gives but for what it doesn't.

    Attributes:
        actions: names of permissions; `*` stands for any text, as in `experiments/*`.
        not_actions: likewise, taken off `actions`.
        assignable_scopes: nothing, or `/`: a role is there for every workspace.
    """

    actions: list[str]
    not_actions: list[str] = []
    description: str = ""
    assignable_scopes: list[str] = []


class RoleShown(msgspec.Struct):
    """A role.

    Attributes:
        built_in: whether it always exists and can't be changed.
        permissions: all that it gives.
    """

    name: str
    description: str
    actions: list[str]
    not_actions: list[str]
    built_in: bool
    permissions: list[str]


class RolesPage(msgspec.Struct):
    """All roles: the built-in ones, then the custom ones by name."""

    items: list[RoleShown]
    next_page_token: str | None


class RoleRoutes:
    """Handlers of `/roles`."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write, one = Permission.SIGNED_IN, Permission.ROLE_WRITE, "/roles/{name}"
        return [
            native("GET", "/roles", self.list, None, RolesPage, read, "All roles"),
            native("GET", one, self.get, None, RoleShown, read, "A role"),
            native("PUT", one, self.save, RoleChange, RoleShown, write, "Make or change a custom role"),
            native("DELETE", one, self.delete, None, Deleted, write, "Move a custom role to the trash"),
        ]

    async def list(self, call: Call) -> RolesPage:
        """GET roles"""
        del call
        return RolesPage([_shown(role) for role in await self._roles.all()], None)

    async def get(self, call: Call) -> RoleShown:
        """GET roles/{name}"""
        return _shown(await self._roles.get(call.path["name"]))

    async def save(self, call: Call) -> RoleShown:
        """PUT roles/{name}"""
        sent: RoleChange = call.body
        saved = await self._roles.save(
            call.principal,
            call.path["name"],
            description=sent.description,
            actions=sent.actions,
            not_actions=sent.not_actions,
            scopes=sent.assignable_scopes,
        )
        return _shown(saved)

    async def delete(self, call: Call) -> Deleted:
        """DELETE roles/{name}"""
        deleted = await self._roles.delete(call.principal, call.path["name"])
        return Deleted(deleted.id, deleted.purge_time)


def _shown(role: RoleDefinition) -> RoleShown:
    given = permissions_of([role])
    return RoleShown(
        name=role.name,
        description=role.description,
        actions=role.actions,
        not_actions=role.not_actions,
        built_in=role.name in BUILT_IN,
        permissions=[p.value for p in GRANTABLE if p in given],
    )
