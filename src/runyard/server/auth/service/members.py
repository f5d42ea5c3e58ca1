"""Members of a workspace: who has which role in it."""

from __future__ import annotations

from collections.abc import Callable

from runyard.server.auth import names
from runyard.server.auth.records import Member, Page, User
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.roles import must_hold
from runyard.server.auth.store import principals
from runyard.server.auth.store import roles as store
from runyard.server.auth.types import Principal
from runyard.server.db import Database, Transaction
from runyard.server.kernel.errors import NotFound


class Members:
    """Show members, give them roles and take these. Always in the caller's workspace.

    Args:
        database: where they live.
        changed: called after each change that could open or close a door.
    """

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed

    async def page(self, principal: Principal, limit: int, token: str | None) -> Page[Member]:
        """A page of those who have a role, by name."""
        workspace = principal.workspace.id
        kind = f"members of {workspace}"
        (after,) = begin(kind, limit, token, [""])
        found = await self._database.read(lambda c: store.members(c, workspace, after, limit + 1))
        return cut(kind, found, limit, lambda member: [member.name])

    async def assign(self, principal: Principal, name: str, role: str) -> None:
        """Give a user, service principal or group a role; one that it has stays.

        Raises:
            NotFound: there is no such principal or role.
        """

        def mutate(tx: Transaction) -> None:
            known = must_hold(tx, role)
            member = must_be_somebody(name, principals.hold(tx, name.lower()))
            if store.assign(tx, principal.workspace.id, member.id, known):
                note(tx, principal, "role.assign", member.kind.name.lower(), member.name, role=known)
                tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def take(self, principal: Principal, name: str, role: str) -> None:
        """Take a role from a member. A workspace without an Owner still has the administrators.

        Raises:
            NotFound: there is no such principal, or it doesn't have the role.
        """

        def mutate(tx: Transaction) -> None:
            member = must_be_somebody(name, principals.find(tx, name.lower()))
            if not store.take(tx, principal.workspace.id, member.id, role):
                raise NotFound(
                    f"'{member.name}' doesn't have the role '{names.cut(role)}' in the workspace "
                    f"'{principal.workspace.name}'.",
                    field="role",
                )
            note(tx, principal, "role.take", member.kind.name.lower(), member.name, role=role)
            tx.after_commit(self._changed)

        await self._database.write(mutate)


def must_be_somebody(name: str, found: User | None, field: str = "name") -> User:
    """What was found.

    Raises:
        NotFound: nothing was; `field` is what named it.
    """
    if found is None:
        raise nobody(name, field)
    return found


def nobody(name: str, field: str = "name") -> NotFound:
    """The error for a name that no principal has."""
    return NotFound(f"There is no user, service principal or group '{names.cut(name)}'.", field=field)
