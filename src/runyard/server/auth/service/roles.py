"""Roles: the built-in ones, and those that administrators define."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from runyard.server.auth import names
from runyard.server.auth.records import Deleted
from runyard.server.auth.rules import BUILT_IN, check_gives, check_patterns, check_scopes
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.deleted import Deletion
from runyard.server.auth.service.entry import WorkspaceNames
from runyard.server.auth.store import roles as store
from runyard.server.auth.types import Principal, RoleDefinition
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel.errors import InvalidArgument, NotFound

# How many of those who have a role are named when it can't be deleted.
NAMED = 5


class Roles:
    """Show all roles; set and delete custom ones.

    Args:
        database: where custom roles live.
        workspace_names: the names of workspaces.
        changed: called after each change that could open or close a door.
        deletion: moves to the trash.
    """

    def __init__(
        self,
        database: Database,
        workspace_names: WorkspaceNames,
        changed: Callable[[], None],
        deletion: Deletion,
    ) -> None:
        self._database = database
        self._workspace_names = workspace_names
        self._changed = changed
        self._deletion = deletion

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
        scopes: Sequence[str] = (),
    ) -> RoleDefinition:
        """Make a custom role, or change one for all who have it.

        Raises:
            InvalidArgument: the name is a built-in role's or isn't allowed, a pattern stands for nothing, the
                role would give nothing, or be for some workspaces only.
        """
        _refuse_built_in(name)
        names.check_line(description, names.MAX_DESCRIPTION, "description")
        check_patterns(actions, "actions")
        check_patterns(not_actions, "not_actions")
        check_scopes(scopes)
        role = RoleDefinition(names.role_name(name), description, [*actions], [*not_actions])
        check_gives(role)

        def mutate(tx: Transaction) -> RoleDefinition:
            before = store.lock(tx, role.name)
            store.save(tx, role)
            told: dict[str, Any] = {"actions": role.actions, "not_actions": role.not_actions}
            if before is not None:
                told["before"] = {"actions": before.actions, "not_actions": before.not_actions}
            note(tx, principal, "role.set", "role", role.name, workspace_id=0, **told)
            tx.after_commit(self._changed)
            return role

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, name: str) -> Deleted:
        """Move a custom role that nobody has to the trash.

        Raises:
            NotFound: there is no such role.
            InvalidArgument: it is a built-in one, or somebody has it.
        """
        _refuse_built_in(name, "deleted.")

        def mutate(tx: Transaction) -> Deleted:
            if store.lock(tx, name) is None:
                raise NotFound(f"There is no role '{names.cut(name)}'.", field="name")
            uses = store.uses(tx, name)
            if uses:
                raise InvalidArgument(self._still_held(tx, name, uses), field="name")
            deleted = self._deletion.role(tx, name)
            note(tx, principal, "role.delete", "role", name, workspace_id=0)
            return deleted

        return await self._database.write(mutate)

    def _still_held(self, tx: Transaction, name: str, uses: int) -> str:
        some = store.holders(tx, name, NAMED)
        workspaces = self._workspace_names(tx, sorted({workspace for _, workspace in some}))
        told = ", ".join(f"'{who}' in '{workspaces.get(where, where)}'" for who, where in some)
        more = f" and {uses - len(some):,} more" if uses > len(some) else ""
        return (
            f"The role '{name}' can't be deleted while it is given to {told}{more}: take it from them first."
        )


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


def _refuse_built_in(name: str, what: str = "changed; define a role of another name.") -> None:
    known = {built_in.lower(): built_in for built_in in BUILT_IN}
    if name.lower() in known:
        raise InvalidArgument(f"'{known[name.lower()]}' is built in and can't be {what}", field="name")
