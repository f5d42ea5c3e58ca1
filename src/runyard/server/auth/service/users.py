"""Users and service principals: who they are, and whether they may still come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from runyard.server.auth import names
from runyard.server.auth.permissions import Permission
from runyard.server.auth.records import Deleted, HeldRole, Page, User, UserDetail
from runyard.server.auth.service import passwords as secrets
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.deleted import Deletion
from runyard.server.auth.service.entry import WorkspaceNames
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.passwords import Passwords
from runyard.server.auth.service.policy import require, require_whole
from runyard.server.auth.store import access as access_store
from runyard.server.auth.store import groups as group_store
from runyard.server.auth.store import principals as store
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.store import tokens as token_store
from runyard.server.auth.types import LOCAL, Principal, PrincipalKind
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound

# The most roles that are told of one principal.
MOST_ROLES = 1_000


class Users:
    """Create, find, change and delete users, or service principals: those have no password.

    Args:
        database: where they live.
        passwords: hashes and verifies.
        workspace_names: the names of workspaces.
        changed: called after each change that could open or close a door.
        deletion: moves to the trash.
        kind: users or service principals.
    """

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        workspace_names: WorkspaceNames,
        changed: Callable[[], None],
        deletion: Deletion,
        kind: PrincipalKind = PrincipalKind.USER,
    ) -> None:
        self._database = database
        self._workspace_names = workspace_names
        self._passwords = passwords
        self._changed = changed
        self._deletion = deletion
        self._kind = kind
        # What actions in the activity log begin with.
        self._noun = "user" if kind is PrincipalKind.USER else "service"

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        display_name: str,
        email: str,
        password: str | None,
        is_admin: bool,
    ) -> User:
        """A new user. With the first one everybody has to sign in from now on.

        Raises:
            InvalidArgument: the name or the password isn't allowed, or the first user is no administrator
                with a password: nobody could ever make another one.
            AlreadyExists: a user, service principal or group has the name.
        """
        user = _new(self._kind, name, display_name, email, is_admin)
        hashed = None if password is None else await self._passwords.hash(password)

        def mutate(tx: Transaction) -> User:
            _insert(tx, principal, user, hashed, f"{self._noun}.create")
            tx.after_commit(self._changed)
            return msgspec.structs.replace(user, has_password=hashed is not None)

        return await self._database.write(mutate)

    async def page(self, limit: int, token: str | None) -> Page[User]:
        """A page of all, by name."""
        (after,) = begin(self._noun, limit, token, [""])
        found = await self._database.read(lambda c: store.page(c, self._kind, after, limit + 1))
        return cut(self._noun, found, limit, lambda user: [user.name])

    async def get(self, name: str) -> UserDetail:
        """One of them, the groups that it is in, and its roles.

        Raises:
            NotFound: there is none of this name.
        """

        def read(connection: Connection) -> UserDetail:
            user = must_find(self._kind, name, store.find(connection, name.lower()))
            roles = role_store.held(connection, user.id, MOST_ROLES)
            workspaces = self._workspace_names(connection, sorted({role.workspace_id for role in roles}))
            named = [HeldRole(workspaces.get(r.workspace_id, ""), r.role, r.group) for r in roles]
            return UserDetail(user, group_store.groups_of(connection, user.id), named)

        return await self._database.read_point(read)

    async def change(
        self,
        principal: Principal,
        name: str,
        *,
        display_name: str | None,
        email: str | None,
        is_admin: bool | None,
        is_disabled: bool | None,
    ) -> User:
        """Change what isn't None. Who is disabled is signed out.

        Raises:
            NotFound: there is none of this name.
            InvalidArgument: no administrator would be left.
        """
        if display_name is not None:
            names.check_line(display_name, names.MAX_DISPLAY_NAME, "display_name")
        if email is not None:
            names.email(email)
        wanted = {
            "display_name": display_name,
            "email": email,
            "is_admin": is_admin,
            "is_disabled": is_disabled,
        }

        def mutate(tx: Transaction) -> User:
            administrators = store.lock_administrators(tx)
            user = must_find(self._kind, name, store.lock(tx, name.lower()))
            changes = {k: v for k, v in wanted.items() if v is not None and v != getattr(user, k)}
            if not changes:
                return user
            changed = msgspec.structs.replace(user, **changes)
            if changed.is_disabled or not changed.is_admin:
                _keep_one(user, administrators)
            store.save(tx, changed)
            disabled = changes.pop("is_disabled", None)
            if changes:
                before = {key: getattr(user, key) for key in changes}
                noted = {**changes, "before": before}
                note(tx, principal, f"{self._noun}.update", self._noun, user.name, workspace_id=0, **noted)
            if disabled is not None:
                action = f"{self._noun}.{'disable' if disabled else 'enable'}"
                note(tx, principal, action, self._noun, user.name, workspace_id=0)
            if disabled:
                token_store.drop_sessions(tx, user.id)
            tx.after_commit(self._changed)
            return changed

        return await self._database.write(mutate)

    async def set_password(self, principal: Principal, name: str, password: str, old: str | None) -> None:
        """Give a user a new password, and end its sessions: administrators do it for others, whoever knows
        the old one for itself.

        Raises:
            PermissionDenied: it is another user's.
            NotFound: there is no user of this name.
            InvalidArgument: the old password is wrong, or the new one isn't allowed.
            LimitExceeded: the old password was wrong too often lately.
        """
        require_whole(principal, "change passwords")
        own = name.lower() == principal.name and principal.identity.id != 0
        if not own:
            require(principal, Permission.USER_WRITE)
        secrets.check(password)
        found = await self._database.read_point(lambda c: access_store.find_by_name(c, name.lower()))
        if found is None or found.kind != PrincipalKind.USER:
            raise missing(PrincipalKind.USER, name)
        if own and found.password_hash is not None:
            await self._check_old(found, old, principal.address)
        elif own:
            require(principal, Permission.USER_WRITE)
        hashed = await self._passwords.hash(password)

        def mutate(tx: Transaction) -> None:
            user = must_find(PrincipalKind.USER, name, store.lock(tx, name.lower()))
            store.set_password(tx, user.id, hashed)
            token = principal.token
            token_store.drop_sessions(tx, user.id, but=0 if token is None else token.id)
            note(tx, principal, "user.password", "user", user.name, workspace_id=0)
            tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def delete(self, principal: Principal, name: str) -> Deleted:
        """Move one to the trash with its memberships, roles and rules; its tokens end for good.

        Raises:
            NotFound: there is none of this name.
            InvalidArgument: no administrator would be left.
        """

        def mutate(tx: Transaction) -> Deleted:
            administrators = store.lock_administrators(tx)
            user = must_find(self._kind, name, store.lock(tx, name.lower()))
            _keep_one(user, administrators)
            deleted = self._deletion.principal(tx, user)
            note(tx, principal, f"{self._noun}.delete", self._noun, user.name, workspace_id=0)
            tx.after_commit(self._changed)
            return deleted

        return await self._database.write(mutate)

    async def _check_old(self, found: access_store.PrincipalRow, old: str | None, address: str) -> None:
        if old is None:
            raise InvalidArgument(
                "Send your present password as 'old_password' along with the new one.", field="old_password"
            )
        if not await self._passwords.verify(found.name, old, found.password_hash, address):
            raise InvalidArgument("The old password is wrong.", field="old_password")


def add_first_admin(
    database: Database, name: str, password: str, *, display_name: str = "", email: str = ""
) -> User:
    """Make the first user, an administrator, without a server. For the command line; blocks.

    Args:
        database: started; a server may run on it as well.
        name: in any case.
        password: its characters; hashed here.
        display_name: how it is shown; empty for the name.
        email: an address, or nothing.

    Raises:
        AlreadyExists: there is a user: administrators make all others.
        InvalidArgument: the name or the password isn't allowed.
    """
    user = _new(PrincipalKind.USER, name, display_name, email, True)
    secrets.check(password)
    hashed = secrets.hashed(password)
    operator = msgspec.structs.replace(LOCAL, credential="command line")

    def mutate(tx: Transaction) -> User:
        if access_store.any_user(tx):
            raise AlreadyExists(
                "This server has users already; an administrator makes all others. If none can sign in any "
                "more, `runyard user password NAME` sets a password, with the same --data or --database."
            )
        _insert(tx, operator, user, hashed, "user.create")
        return msgspec.structs.replace(user, has_password=True)

    return database.write_from_thread(mutate)


def reset_password(
    database: Database, name: str, password: str, *, revoke_tokens: bool = False
) -> tuple[User, int]:
    """Give an administrator a new password and end its sessions. For the command line; blocks.

    Args:
        database: started; a server may run on it as well, and knows of it within five seconds.
        name: in any case.
        password: its characters; hashed here.
        revoke_tokens: whether its tokens end too.

    Returns:
        The user, and how many valid tokens it has, or had if they are revoked.

    Raises:
        NotFound: there is no administrator of this name; the message names those that there are.
        InvalidArgument: the password isn't allowed, or the administrator is disabled.
    """
    secrets.check(password)
    hashed = secrets.hashed(password)
    operator = msgspec.structs.replace(LOCAL, credential="command line")

    def mutate(tx: Transaction) -> tuple[User, int]:
        user = store.lock(tx, name.lower())
        if user is None or user.kind is not PrincipalKind.USER or not user.is_admin:
            raise NotFound(
                f"There is no administrator '{names.cut(name)}'; those who may sign in are: "
                f"{', '.join(store.administrators(tx)) or 'none'}. They set the passwords of all others.",
                field="name",
            )
        if user.is_disabled:
            raise InvalidArgument(
                f"'{user.name}' is disabled, and only another administrator enables it again: "
                f"{', '.join(store.administrators(tx))}.",
                field="name",
            )
        store.set_password(tx, user.id, hashed)
        token_store.drop_sessions(tx, user.id)
        tokens = token_store.count_all(tx, user.id, clock.now_ms())
        detail = {"revoked_tokens": tokens} if revoke_tokens else {}
        if revoke_tokens:
            token_store.drop_all(tx, user.id)
        note(tx, operator, "user.password", "user", user.name, workspace_id=0, **detail)
        return msgspec.structs.replace(user, has_password=True), tokens

    return database.write_from_thread(mutate)


def must_find(kind: PrincipalKind, name: str, found: User | None) -> User:
    """What was found, if it is of this kind.

    Raises:
        NotFound: it isn't.
    """
    if found is None or found.kind is not kind:
        raise missing(kind, name)
    return found


def missing(kind: PrincipalKind, name: str) -> NotFound:
    """The error for a principal that doesn't exist."""
    return NotFound(f"There is no {kind.word} '{names.cut(name)}'.", field="name")


def taken(name: str) -> AlreadyExists:
    """The error for a name that is in use; users, service principals and groups share them."""
    return AlreadyExists(
        f"The name '{names.cut(name)}' is taken by a user, a service principal or a group.", field="name"
    )


def _new(kind: PrincipalKind, name: str, display_name: str, email: str, is_admin: bool) -> User:
    plain = names.principal_name(name)
    names.check_line(display_name, names.MAX_DISPLAY_NAME, "display_name")
    return User(
        id=ids.new_key(),
        kind=kind,
        name=plain,
        display_name=display_name or name,
        email=names.email(email),
        has_password=False,
        external=False,
        is_admin=is_admin,
        is_disabled=False,
        creation_time=clock.now_ms(),
    )


def _insert(tx: Transaction, principal: Principal, user: User, hashed: str | None, action: str) -> None:
    first = user.kind is PrincipalKind.USER and not access_store.any_user(tx)
    if first and not (user.is_admin and hashed):
        raise InvalidArgument(
            "The first user must be an administrator with a password: as soon as there is a user everybody "
            "has to sign in, and only administrators make further users.",
            field="password" if user.is_admin else "is_admin",
        )
    if store.find(tx, user.name) is not None or not store.insert(tx, user, hashed):
        raise taken(user.name)
    noun = action.partition(".")[0]
    note(tx, principal, action, noun, user.name, workspace_id=0, is_admin=user.is_admin)


def _keep_one(user: User, administrators: Sequence[int]) -> None:
    if list(administrators) == [user.id]:
        raise InvalidArgument(
            f"'{user.name}' is the last administrator who can sign in; make another one first.",
            field="name",
        )
