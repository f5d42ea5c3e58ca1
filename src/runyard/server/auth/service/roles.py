"""Roles: the built-in ones, and those that administrators define."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runyard.server.auth import names
from runyard.server.auth.rules import BUILT_IN, check_patterns
from runyard.server.auth.service.activity import note
from runyard.server.auth.store import roles as store
from runyard.server.auth.types import Principal, RoleDefinition
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel.errors import InvalidArgument, NotFound


class Roles:
    """Show all roles; set and delete custom ones.

    Args:
        database: where custom roles live.
        changed: called after each change that could open or close a door.
    """

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed

    async def all(self) -> list[RoleDefinition]:
        """The built-in roles, strongest first, then the custom ones by name."""
        return [*BUILT_IN.values(), *await self._database.read_point(store.custom)]

    async def get(self, name: str) -> RoleDefinition:
        """One role.

        Raises:
            NotFound: there is none of this name.
        """
        found = BUILT_IN.get(name) or await self._database.read_point(lambda c: store.find(c, name))
        if found is None:
            raise NotFound(f"There is no role '{names.cut(name)}'.", field="name")
        return found

    async def save(
        self,
        principal: Principal,
        name: str,
        *,
        description: str,
        actions: Sequence[str],
        not_actions: Sequence[str],
    ) -> RoleDefinition:
        """Make a custom role, or change one for all who have it.

        Raises:
            InvalidArgument: the name is a built-in role's or isn't allowed, or a pattern stands for nothing.
        """
        _refuse_built_in(name)
        names.check_line(description, names.MAX_DESCRIPTION, "description")
        check_patterns(actions, "actions")
        check_patterns(not_actions, "not_actions")
        role = RoleDefinition(names.role_name(name), description, [*actions], [*not_actions])

        def mutate(tx: Transaction) -> RoleDefinition:
            store.save(tx, role)
            note(
                tx,
                principal,
                "role.set",
                "role",
                role.name,
                workspace_id=0,
                actions=role.actions,
                not_actions=role.not_actions,
            )
            tx.after_commit(self._changed)
            return role

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a custom role that nobody has.

        Raises:
            NotFound: there is no such role.
            InvalidArgument: it is a built-in one, or somebody has it.
        """
        _refuse_built_in(name)

        def mutate(tx: Transaction) -> None:
            if store.lock(tx, name) is None:
                raise NotFound(f"There is no role '{names.cut(name)}'.", field="name")
            uses = store.uses(tx, name)
            if uses:
                raise InvalidArgument(
                    f"The role '{name}' is assigned {uses:,} times; take it from its members first.",
                    field="name",
                )
            store.drop(tx, name)
            note(tx, principal, "role.delete", "role", name, workspace_id=0)

        await self._database.write(mutate)


def must_hold(tx: Transaction, name: str) -> str:
    """The name of a role that exists, and does so until the transaction ends.

    Raises:
        NotFound: there is none; the message names those that there are.
    """
    if name not in BUILT_IN and store.hold(tx, name) is None:
        raise NotFound(
            f"There is no role '{names.cut(name)}'; the roles are: {', '.join(all_names(tx))}.", field="role"
        )
    return name


def all_names(connection: Connection) -> list[str]:
    """The names of all roles."""
    return [*BUILT_IN, *(role.name for role in store.custom(connection))]


def _refuse_built_in(name: str) -> None:
    known = {built_in.lower(): built_in for built_in in BUILT_IN}
    if name.lower() in known:
        raise InvalidArgument(
            f"'{known[name.lower()]}' is built in and can't be changed; define a role of another name.",
            field="name",
        )
