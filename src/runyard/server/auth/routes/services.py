"""`/service-principals`: programs that sign in with tokens, which administrators make for them."""

from __future__ import annotations

import msgspec

from runyard.server.auth import records
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import Deleted, ListRequest, RoleHeld, roles_held
from runyard.server.auth.service.users import Users
from runyard.server.web import Call, Route
from runyard.server.web.native import native


class NewService(msgspec.Struct):
    """A service principal to make; the name as a user's."""

    name: str
    display_name: str = ""
    is_admin: bool = False


class ServiceChange(msgspec.Struct):
    """What to change; what is left out stays."""

    display_name: str | None = None
    is_admin: bool | None = None
    is_disabled: bool | None = None


class ServiceShown(msgspec.Struct):
    """A service principal.

    Attributes:
        is_admin: whether it administers the server.
        is_disabled: whether its tokens are refused.
    """

    id: str
    name: str
    display_name: str
    is_admin: bool
    is_disabled: bool
    creation_time: int


class ServiceDetails(ServiceShown):
    """A service principal, the groups that it is in, and its roles."""

    groups: list[str]
    roles: list[RoleHeld]


class ServicesPage(msgspec.Struct):
    """Service principals by name."""

    items: list[ServiceShown]
    next_page_token: str | None


class ServiceRoutes:
    """Handlers of `/service-principals`.

    Args:
        services: made for service principals.
    """

    def __init__(self, services: Users) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.USER_READ, Permission.USER_WRITE
        base, one = "/service-principals", "/service-principals/{name}"
        return [
            native("GET", base, self.list, ListRequest, ServicesPage, read, "Service principals by name"),
            native("POST", base, self.create, NewService, ServiceShown, write, "Make a service principal"),
            native("GET", one, self.get, None, ServiceDetails, read, "One, its groups and roles"),
            native("PATCH", one, self.change, ServiceChange, ServiceShown, write, "Change or disable it"),
            native("DELETE", one, self.delete, None, Deleted, write, "Move it to the trash"),
        ]

    async def list(self, call: Call) -> ServicesPage:
        """GET service-principals"""
        page = await self._services.page(call.body.limit, call.body.page_token)
        return ServicesPage([_shown(service) for service in page.items], page.next_token)

    async def create(self, call: Call) -> ServiceShown:
        """POST service-principals"""
        sent: NewService = call.body
        made = await self._services.create(
            call.principal,
            sent.name,
            display_name=sent.display_name,
            email="",
            password=None,
            is_admin=sent.is_admin,
        )
        return _shown(made)

    async def get(self, call: Call) -> ServiceDetails:
        """GET service-principals/{name}"""
        found = await self._services.get(call.path["name"])
        return ServiceDetails(
            **msgspec.structs.asdict(_shown(found.user)),
            groups=found.groups,
            roles=roles_held(found.roles),
        )

    async def change(self, call: Call) -> ServiceShown:
        """PATCH service-principals/{name}"""
        sent: ServiceChange = call.body
        changed = await self._services.change(
            call.principal,
            call.path["name"],
            display_name=sent.display_name,
            email=None,
            is_admin=sent.is_admin,
            is_disabled=sent.is_disabled,
        )
        return _shown(changed)

    async def delete(self, call: Call) -> Deleted:
        """DELETE service-principals/{name}"""
        deleted = await self._services.delete(call.principal, call.path["name"])
        return Deleted(deleted.id, deleted.purge_time)


def _shown(service: records.User) -> ServiceShown:
    return ServiceShown(
        id=str(service.id),
        name=service.name,
        display_name=service.display_name,
        is_admin=service.is_admin,
        is_disabled=service.is_disabled,
        creation_time=service.creation_time,
    )
