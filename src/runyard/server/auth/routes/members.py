"""`/workspaces/{workspace}/members`."""

from __future__ import annotations

import msgspec

from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import KINDS, Kind, ListRequest
from runyard.server.auth.service.members import Members
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native


class MemberShown(msgspec.Struct):
    """A user, service principal or group with roles in a workspace."""

    kind: Kind
    name: str
    display_name: str
    roles: list[str]


class MembersPage(msgspec.Struct):
    """Members by name."""

    items: list[MemberShown]
    next_page_token: str | None


class MemberRoutes:
    """Handlers of `/workspaces/{workspace}/members`."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.MEMBER_READ, Permission.MEMBER_WRITE
        base = "/workspaces/{workspace}/members"
        one = f"{base}/{{name}}/{{role}}"
        return [
            native("GET", base, self.list, ListRequest, MembersPage, read, "Members and their roles"),
            native("PUT", one, self.assign, None, Done, write, "Give a role"),
            native("DELETE", one, self.take, None, Done, write, "Take a role"),
        ]

    async def list(self, call: Call) -> MembersPage:
        """GET workspaces/{workspace}/members"""
        page = await self._members.page(call.principal, call.body.limit, call.body.page_token)
        items = [MemberShown(KINDS[m.kind], m.name, m.display_name, m.roles) for m in page.items]
        return MembersPage(items, page.next_token)

    async def assign(self, call: Call) -> Done:
        """PUT workspaces/{workspace}/members/{name}/{role}"""
        await self._members.assign(call.principal, call.path["name"], call.path["role"])
        return Done()

    async def take(self, call: Call) -> Done:
        """DELETE workspaces/{workspace}/members/{name}/{role}"""
        await self._members.take(call.principal, call.path["name"], call.path["role"])
        return Done()
