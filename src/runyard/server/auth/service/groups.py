"""Groups of users and service principals; no group is in another one."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from runyard.server.auth import names
from runyard.server.auth.records import Deleted, Group, GroupMember, Page, User
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.deleted import Deletion
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.users import missing, must_find, taken
from runyard.server.auth.store import groups as store
from runyard.server.auth.store import principals
from runyard.server.auth.types import Principal, PrincipalKind
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound

GROUP = PrincipalKind.GROUP


class Groups:
    """Create, find, change and delete groups, and put principals into them.

    Args:
        database: where they live.
        changed: called after each change that could open or close a door.
        deletion: moves to the trash.
    """

    def __init__(self, database: Database, changed: Callable[[], None], deletion: Deletion) -> None:
        self._database = database
        self._changed = changed
        self._deletion = deletion

    async def create(self, principal: Principal, name: str, display_name: str) -> Group:
        """A new group without members.

        Raises:
            AlreadyExists: a user, service principal or group has the name.
        """
        plain = names.principal_name(name)
        names.check_line(display_name, names.MAX_DISPLAY_NAME, "display_name")
        now = clock.now_ms()
        group = User(ids.new_key(), GROUP, plain, display_name or name, "", False, False, False, False, now)

        def mutate(tx: Transaction) -> Group:
            if principals.find(tx, plain) is not None or not principals.insert(tx, group, None):
                raise taken(plain)
            note(tx, principal, "group.create", "group", plain, workspace_id=0)
            return principals.as_group(group)

        return await self._database.write(mutate)

    async def page(self, limit: int, token: str | None) -> Page[Group]:
        """A page of all groups, by name."""
        (after,) = begin("groups", limit, token, [""])
        found = await self._database.read(lambda c: principals.page(c, GROUP, after, limit + 1))
        page = cut("groups", found, limit, lambda group: [group.name])
        return Page([principals.as_group(group) for group in page.items], page.next_token)

    async def get(self, name: str) -> Group:
        """One group.

        Raises:
            NotFound: there is none of this name.
        """
        found = await self._database.read_point(lambda c: principals.find(c, name.lower()))
        return principals.as_group(must_find(GROUP, name, found))

    async def members(self, name: str, limit: int, token: str | None) -> Page[GroupMember]:
        """A page of a group's members, by name.

        Raises:
            NotFound: there is no group of this name.
        """
        kind = f"members {name.lower()}"
        (after,) = begin(kind, limit, token, [""])

        def read(connection: Connection) -> Page[GroupMember]:
            group = must_find(GROUP, name, principals.find(connection, name.lower()))
            found = store.members(connection, group.id, after, limit + 1)
            return cut(kind, found, limit, lambda member: [member.name])

        return await self._database.read(read)

    async def change(self, principal: Principal, name: str, *, display_name: str | None) -> Group:
        """Change what isn't None.

        Raises:
            NotFound: there is none of this name.
        """
        if display_name is not None:
            names.check_line(display_name, names.MAX_DISPLAY_NAME, "display_name")

        def mutate(tx: Transaction) -> Group:
            group = must_find(GROUP, name, principals.lock(tx, name.lower()))
            if display_name is None or display_name == group.display_name:
                return principals.as_group(group)
            changed = msgspec.structs.replace(group, display_name=display_name)
            principals.save(tx, changed)
            noted = {"display_name": display_name, "before": {"display_name": group.display_name}}
            note(tx, principal, "group.update", "group", group.name, workspace_id=0, **noted)
            return principals.as_group(changed)

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, name: str) -> Deleted:
        """Move a group to the trash with its roles and rules; its members stay.

        Raises:
            NotFound: there is none of this name.
        """

        def mutate(tx: Transaction) -> Deleted:
            group = must_find(GROUP, name, principals.lock(tx, name.lower()))
            deleted = self._deletion.principal(tx, group)
            note(tx, principal, "group.delete", "group", group.name, workspace_id=0)
            tx.after_commit(self._changed)
            return deleted

        return await self._database.write(mutate)

    async def add(self, principal: Principal, name: str, member: str) -> None:
        """Put a user or service principal into a group; one that is in it stays.

        Raises:
            NotFound: there is no such group, user or service principal.
            InvalidArgument: the member is a group.
        """

        def mutate(tx: Transaction) -> None:
            group = must_find(GROUP, name, principals.hold(tx, name.lower()))
            found = _member(member, principals.hold(tx, member.lower()))
            if store.add(tx, group.id, found.id):
                note(tx, principal, "group.add", "group", group.name, workspace_id=0, member=found.name)
                tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def remove(self, principal: Principal, name: str, member: str) -> None:
        """Take a user or service principal out of a group.

        Raises:
            NotFound: there is no such group, or it isn't in it.
        """

        def mutate(tx: Transaction) -> None:
            group = must_find(GROUP, name, principals.hold(tx, name.lower()))
            found = _member(member, principals.find(tx, member.lower()))
            if not store.remove(tx, group.id, found.id):
                raise NotFound(f"'{found.name}' isn't in the group '{group.name}'.", field="member")
            note(tx, principal, "group.remove", "group", group.name, workspace_id=0, member=found.name)
            tx.after_commit(self._changed)

        await self._database.write(mutate)


def _member(name: str, found: User | None) -> User:
    if found is None:
        raise missing(PrincipalKind.USER, name)
    if found.kind is GROUP:
        raise InvalidArgument(
            f"'{found.name}' is a group; groups hold users and service principals.", field="member"
        )
    return found
