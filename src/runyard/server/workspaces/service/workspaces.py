"""Use cases of workspaces themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from runyard.server.auth import (
    DEFAULT_WORKSPACE,
    Permission,
    Principal,
    WorkspaceRef,
    WorkspaceState,
    note,
    require,
)
from runyard.server.auth.service import entered_by, make_owner
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.workspaces import rules
from runyard.server.workspaces.service.contents import Contents
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.store import workspaces as store
from runyard.server.workspaces.store.trash import restore_deleted
from runyard.server.workspaces.types import Details, Quotas, QuotaUse, Scope, Workspace

IN_USE = (WorkspaceState.ACTIVE, WorkspaceState.ARCHIVED)
MAX_PAGE = 1000

Limit = int | None | Literal["default"]


class WorkspacePage(msgspec.Struct, frozen=True):
    """Some workspaces, and where the next page starts."""

    items: list[Workspace]
    next_token: str | None


class Workspaces:
    """Create, find, change, archive, delete and restore workspaces.

    Args:
        database: where they live.
        contents: what is in them.
        usage: what is used of their quotas.
        changed: called after each change, in the process that made it.
    """

    def __init__(
        self, database: Database, contents: Contents, usage: Usage, changed: Callable[[], None]
    ) -> None:
        self._database = database
        self._contents = contents
        self._usage = usage
        self._changed = changed

    async def ensure_default(self) -> None:
        """Make the workspace that clients mean when they name none."""
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            if store.find_by_name(tx, DEFAULT_WORKSPACE.name) is None:
                store.insert_default(tx, DEFAULT_WORKSPACE, now)
            self._contents.make_default(tx, DEFAULT_WORKSPACE, now)

        await self._database.write(mutate)

    async def create(
        self, principal: Principal, name: str, description: str, tags: Mapping[str, str]
    ) -> Workspace:
        """A new workspace with an experiment of its own; whoever makes it owns it.

        Raises:
            AlreadyExists: a workspace, also one in the trash, has this name.
        """
        rules.check_name(name)
        rules.check_description(description)
        rules.check_tags(tags)
        rules.check_number_of_tags(len(tags))
        now = clock.now_ms()

        def mutate(tx: Transaction) -> Workspace:
            taken = store.find_by_name(tx, name)
            if taken is not None:
                raise _taken(taken)
            created = store.insert(tx, name, description, now)
            if created is None:  # another server process was faster; what it committed shows only now
                raise AlreadyExists(f"Workspace '{name}' already exists.", field="name")
            ref = WorkspaceRef(created, name, 0)
            experiment = self._contents.make_default(tx, ref, now)
            store.set_default_experiment(tx, created, experiment)
            store.change_tags(tx, created, dict(tags))
            make_owner(tx, principal, created)
            note(tx, principal, "workspace.create", "workspace", name, workspace_id=created)
            tx.after_commit(self._changed)
            return _must_find(tx, created)

        return await self._database.write(mutate)

    async def search(
        self, principal: Principal, states: Sequence[WorkspaceState], *, limit: int, token: str | None
    ) -> WorkspacePage:
        """Those of the workspaces that the principal may enter, by name; of the trash those that it owns.

        Raises:
            InvalidArgument: the page can't be that large, or the token isn't one of this list.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidArgument(f"'limit' must be 1 to {MAX_PAGE:,}, not {limit:,}.", field="limit")
        after = None if token is None else _name_in(token)

        def read(connection: Connection) -> WorkspacePage:
            within = entered_by(connection, principal, owned=WorkspaceState.DELETED in states)
            rows = store.search(connection, states, within=within, after=after, limit=limit + 1)
            more = len(rows) > limit
            return WorkspacePage(
                rows[:limit], encode_token("workspaces", [rows[limit - 1].name]) if more else None
            )

        return await self._database.read(read)

    async def get(self, principal: Principal) -> Workspace:
        """The principal's workspace, in any state."""
        return await self._database.read_point(lambda c: _must_find(c, principal.workspace.id))

    async def details(self, principal: Principal) -> Details:
        """All that is known of the principal's workspace; it counts what the principal may see."""

        def read(connection: Connection) -> Details:
            found = _must_find(connection, principal.workspace.id)
            if principal.access.sees_all:
                used = self._usage.total(connection, (Scope.WORKSPACE, found.id))
            else:
                visible = self._contents.visible(connection, principal)
                used = self._usage.sum_of(connection, Scope.EXPERIMENT, visible)
            return Details(
                found,
                self._contents.counts(connection, principal),
                used,
                self._quotas(connection, principal),
            )

        return await self._database.read(read)

    async def quotas(self, principal: Principal) -> list[QuotaUse]:
        """The quotas of the principal's workspace, and what is used of them, for whom sees all of it."""
        return await self._database.read_point(lambda c: self._quotas(c, principal))

    def _quotas(self, connection: Connection, principal: Principal) -> list[QuotaUse]:
        workspace = principal.workspace.id
        limits = Quotas(**store.quotas_set(connection, workspace))
        used: dict[str, int] = {}
        if rules.may_know(principal.access, Scope.WORKSPACE):
            total = self._usage.total(connection, (Scope.WORKSPACE, workspace))
            used = {
                "points_per_workspace": total.points,
                "runs_per_workspace": total.runs,
                "artifact_bytes_per_workspace": total.size,
            }
        return [QuotaUse(name, getattr(limits, name), used.get(name)) for name in rules.QUOTAS]

    async def set_quotas(self, principal: Principal, limits: Mapping[str, Limit]) -> list[QuotaUse]:
        """Set quotas of the principal's workspace: a number, None for no limit, or back to the default."""
        for name, limit in limits.items():
            rules.check_limit(name, None if limit == "default" else limit)

        def mutate(tx: Transaction) -> None:
            found = _must_lock(tx, principal)
            quotas = store.quotas_set(tx, found.id)
            before = {name: quotas.get(name, "default") for name in limits}
            for name, limit in limits.items():
                if limit == "default":
                    quotas.pop(name, None)
                else:
                    quotas[name] = limit
            store.set_quotas(tx, found.id, quotas)
            note(
                tx,
                principal,
                "workspace.quotas",
                "workspace",
                found.name,
                workspace_id=found.id,
                limits=dict(limits),
                before=before,
            )
            tx.after_commit(self._changed)

        await self._database.write(mutate)
        return await self.quotas(principal)

    async def update(
        self,
        principal: Principal,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        state: WorkspaceState | None = None,
    ) -> Workspace:
        """Change what isn't None; a tag with the value None is deleted, others stay.

        Raises:
            InvalidArgument: it is in the trash, or the default one is to be archived.
        """
        if description is not None:
            rules.check_description(description)
        rules.check_tags(tags or {})
        name = principal.workspace.name
        if state is not None:
            require(principal, Permission.WORKSPACE_DELETE)  # it stops, or starts, everybody's work
        if state is WorkspaceState.ARCHIVED:
            rules.check_not_default(name, "archived")
        now = clock.now_ms()

        def mutate(tx: Transaction) -> Workspace:
            found = _must_lock(tx, principal)
            if found.state is WorkspaceState.DELETED:
                raise _in_trash(name)
            left = {key for key, value in {**found.tags, **(tags or {})}.items() if value is not None}
            rules.check_number_of_tags(len(left))
            changed = msgspec.structs.replace(
                found,
                description=found.description if description is None else description,
                state=found.state if state is None else state,
                last_update_time=now,
            )
            store.save(tx, changed)
            store.change_tags(tx, found.id, dict(tags or {}))
            self._note_update(tx, principal, found, changed, tags)
            tx.after_commit(self._changed)
            return _must_find(tx, found.id)

        return await self._database.write(mutate)

    def _note_update(
        self,
        tx: Transaction,
        principal: Principal,
        before: Workspace,
        after: Workspace,
        tags: Mapping[str, str | None] | None,
    ) -> None:
        def tell(action: str, **detail: object) -> None:
            note(tx, principal, action, "workspace", before.name, workspace_id=before.id, **detail)

        if after.state is not before.state:
            tell("workspace.archive" if after.state is WorkspaceState.ARCHIVED else "workspace.activate")
        now: dict[str, object] = {}
        was: dict[str, object] = {}
        if after.description != before.description:
            now["description"], was["description"] = after.description, before.description
        changed = {key: value for key, value in (tags or {}).items() if value != before.tags.get(key)}
        if changed:
            now["tags"], was["tags"] = changed, {key: before.tags.get(key) for key in changed}
        if now:
            tell("workspace.update", **now, before=was)

    async def delete(self, principal: Principal, *, if_empty: bool = False) -> None:
        """Move the principal's workspace to the trash, with all that is in it; one there stays there.

        Args:
            principal: who does it.
            if_empty: refuse it while anything is in the workspace.

        Raises:
            InvalidArgument: it is the default one, or isn't empty.
        """
        rules.check_not_default(principal.workspace.name, "deleted")
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = _must_lock(tx, principal)
            if found.state is WorkspaceState.DELETED:
                return
            if if_empty and not self._contents.is_empty(tx, found.ref):
                raise InvalidArgument(
                    f"The workspace '{found.name}' isn't empty: it holds experiments, runs or logged models. "
                    "Delete them for good first, or delete the workspace with all that is in it "
                    "(mode=CASCADE), which can be undone.",
                    field="mode",
                )
            deleted = msgspec.structs.replace(
                found, state=WorkspaceState.DELETED, deleted_time=now, last_update_time=now
            )
            store.save(tx, deleted, comes_back=found.state)
            note(tx, principal, "workspace.delete", "workspace", found.name, workspace_id=found.id)
            tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def restore(self, principal: Principal) -> Workspace:
        """Bring the principal's workspace back from the trash, as it was; one not there stays as it is."""
        now = clock.now_ms()

        def mutate(tx: Transaction) -> Workspace:
            found = _must_lock(tx, principal)
            if found.state is WorkspaceState.DELETED:
                restore_deleted(tx, [found.id], now)
                note(tx, principal, "workspace.restore", "workspace", found.name, workspace_id=found.id)
                tx.after_commit(self._changed)
            return _must_find(tx, found.id)

        return await self._database.write(mutate)


def _must_find(connection: Connection, workspace_id: int) -> Workspace:
    found = store.find(connection, workspace_id)
    if found is None:
        raise _gone()
    return found


def _must_lock(tx: Transaction, principal: Principal) -> Workspace:
    found = store.lock(tx, principal.workspace.id)
    if found is None:
        raise _gone()
    return found


def _name_in(token: str) -> str:
    position = decode_token("workspaces", token)
    if len(position) != 1 or not isinstance(position[0], str):
        raise InvalidArgument(
            "Invalid page_token: it isn't one that this server gave for a list of workspaces.",
            field="page_token",
        )
    return position[0]


def _gone() -> NotFound:
    return NotFound("There is no such workspace (any more).", field="workspace")


def _in_trash(name: str) -> InvalidArgument:
    return InvalidArgument(f"The workspace '{name}' is in the trash; restore it first.", field="workspace")


def _taken(other: Workspace) -> AlreadyExists:
    state = (
        " in the trash; restore it, purge it, or choose another name"
        if other.state is WorkspaceState.DELETED
        else ""
    )
    return AlreadyExists(f"Workspace '{other.name}' already exists{state}.", field="name")
