"""`/groups`."""

from __future__ import annotations

import msgspec

from runyard.server.auth import records
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import KINDS, Deleted, Kind, ListRequest
from runyard.server.auth.service.groups import Groups
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native


class NewGroup(msgspec.Struct):
    """A group to make; the name as a user's."""

    name: str
    display_name: str = ""


class GroupChange(msgspec.Struct):
    """What to change; what is left out stays."""

    display_name: str | None = None


class GroupShown(msgspec.Struct):
    """A group."""

    id: str
    name: str
    display_name: str
    creation_time: int


class GroupsPage(msgspec.Struct):
    """Groups by name."""

    items: list[GroupShown]
    next_page_token: str | None


class GroupMemberShown(msgspec.Struct):
    """A user or service principal in a group."""

    kind: Kind
    name: str
    display_name: str


class GroupMembersPage(msgspec.Struct):
    """Members of a group by name."""

    items: list[GroupMemberShown]
    next_page_token: str | None


class GroupRoutes:
    """Handlers of `/groups`."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.USER_READ, Permission.USER_WRITE
        one, inside, member = "/groups/{name}", "/groups/{name}/members", "/groups/{name}/members/{member}"
        return [
            native("GET", "/groups", self.list, ListRequest, GroupsPage, read, "Groups by name"),
            native("POST", "/groups", self.create, NewGroup, GroupShown, write, "Make a group"),
            native("GET", one, self.get, None, GroupShown, read, "A group"),
            native("PATCH", one, self.change, GroupChange, GroupShown, write, "Change a group"),
            native("DELETE", one, self.delete, None, Deleted, write, "Move a group to the trash"),
            native("GET", inside, self.members, ListRequest, GroupMembersPage, read, "A group's members"),
            native("PUT", member, self.add, None, Done, write, "Put somebody into a group"),
            native("DELETE", member, self.remove, None, Done, write, "Take somebody out of a group"),
        ]

    async def list(self, call: Call) -> GroupsPage:
        """GET groups"""
        page = await self._groups.page(call.body.limit, call.body.page_token)
        return GroupsPage([_shown(group) for group in page.items], page.next_token)

    async def create(self, call: Call) -> GroupShown:
        """POST groups"""
        return _shown(await self._groups.create(call.principal, call.body.name, call.body.display_name))

    async def get(self, call: Call) -> GroupShown:
        """GET groups/{name}"""
        return _shown(await self._groups.get(call.path["name"]))

    async def change(self, call: Call) -> GroupShown:
        """PATCH groups/{name}"""
        changed = await self._groups.change(
            call.principal, call.path["name"], display_name=call.body.display_name
        )
        return _shown(changed)

    async def members(self, call: Call) -> GroupMembersPage:
        """GET groups/{name}/members"""
        page = await self._groups.members(call.path["name"], call.body.limit, call.body.page_token)
        return GroupMembersPage(
            [GroupMemberShown(KINDS[m.kind], m.name, m.display_name) for m in page.items], page.next_token
        )

    async def delete(self, call: Call) -> Deleted:
        """DELETE groups/{name}"""
        deleted = await self._groups.delete(call.principal, call.path["name"])
        return Deleted(deleted.id, deleted.purge_time)

    async def add(self, call: Call) -> Done:
        """PUT groups/{name}/members/{member}"""
        await self._groups.add(call.principal, call.path["name"], call.path["member"])
        return Done()

    async def remove(self, call: Call) -> Done:
        """DELETE groups/{name}/members/{member}"""
        await self._groups.remove(call.principal, call.path["name"], call.path["member"])
        return Done()


def _shown(group: records.Group) -> GroupShown:
    return GroupShown(str(group.id), group.name, group.display_name, group.creation_time)
