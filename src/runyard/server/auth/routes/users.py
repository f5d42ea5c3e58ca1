"""`/users`."""

from __future__ import annotations

import msgspec

from runyard.server.auth import records
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import Deleted, ListRequest, RoleHeld, roles_held
from runyard.server.auth.service.users import Users
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native


class NewUser(msgspec.Struct):
    """A user to make.

    Attributes:
        name: 2 to 64 letters, digits and . _ @ -; kept in lower case, and never changed.
        display_name: empty for the name.
        password: 10 characters or more; null for who signs in otherwise.
        is_admin: whether it administers the server. The first user must.
    """

    name: str
    display_name: str = ""
    email: str = ""
    password: str | None = None
    is_admin: bool = False


class UserChange(msgspec.Struct):
    """What to change; what is left out stays."""

    display_name: str | None = None
    email: str | None = None
    is_admin: bool | None = None
    is_disabled: bool | None = None


class PasswordChange(msgspec.Struct):
    """A new password; who changes its own sends the present one too."""

    password: str
    old_password: str | None = None


class UserShown(msgspec.Struct):
    """A user.

    Attributes:
        has_password: whether it can sign in with one.
        external: whether it signs in through an OIDC provider.
        is_admin: whether it administers the server.
        is_disabled: whether all of its credentials are refused.
    """

    id: str
    name: str
    display_name: str
    email: str
    has_password: bool
    external: bool
    is_admin: bool
    is_disabled: bool
    creation_time: int


class UserDetails(UserShown):
    """A user, the groups that it is in, and its roles."""

    groups: list[str]
    roles: list[RoleHeld]


class UsersPage(msgspec.Struct):
    """Users by name."""

    items: list[UserShown]
    next_page_token: str | None


class UserRoutes:
    """Handlers of `/users`."""

    def __init__(self, users: Users) -> None:
        self._users = users

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write, own = Permission.USER_READ, Permission.USER_WRITE, Permission.SIGNED_IN
        one, word = "/users/{name}", "/users/{name}/password"
        return [
            native("GET", "/users", self.list, ListRequest, UsersPage, read, "Users by name"),
            native("POST", "/users", self.create, NewUser, UserShown, write, "Make a user"),
            native("GET", one, self.get, None, UserDetails, read, "A user, its groups and roles"),
            native("PATCH", one, self.change, UserChange, UserShown, write, "Change or disable a user"),
            native("DELETE", one, self.delete, None, Deleted, write, "Move a user to the trash"),
            native("PUT", word, self.set_password, PasswordChange, Done, own, "Set a user's password"),
        ]

    async def list(self, call: Call) -> UsersPage:
        """GET users"""
        page = await self._users.page(call.body.limit, call.body.page_token)
        return UsersPage([_shown(user) for user in page.items], page.next_token)

    async def create(self, call: Call) -> UserShown:
        """POST users"""
        sent: NewUser = call.body
        made = await self._users.create(
            call.principal,
            sent.name,
            display_name=sent.display_name,
            email=sent.email,
            password=sent.password,
            is_admin=sent.is_admin,
        )
        return _shown(made)

    async def get(self, call: Call) -> UserDetails:
        """GET users/{name}"""
        found = await self._users.get(call.path["name"])
        return UserDetails(
            **msgspec.structs.asdict(_shown(found.user)),
            groups=found.groups,
            roles=roles_held(found.roles),
        )

    async def change(self, call: Call) -> UserShown:
        """PATCH users/{name}"""
        sent: UserChange = call.body
        changed = await self._users.change(
            call.principal,
            call.path["name"],
            display_name=sent.display_name,
            email=sent.email,
            is_admin=sent.is_admin,
            is_disabled=sent.is_disabled,
        )
        return _shown(changed)

    async def delete(self, call: Call) -> Deleted:
        """DELETE users/{name}"""
        deleted = await self._users.delete(call.principal, call.path["name"])
        return Deleted(deleted.id, deleted.purge_time)

    async def set_password(self, call: Call) -> Done:
        """PUT users/{name}/password"""
        sent: PasswordChange = call.body
        await self._users.set_password(call.principal, call.path["name"], sent.password, sent.old_password)
        return Done()


def _shown(user: records.User) -> UserShown:
    return UserShown(
        id=str(user.id),
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        has_password=user.has_password,
        external=user.external,
        is_admin=user.is_admin,
        is_disabled=user.is_disabled,
        creation_time=user.creation_time,
    )
