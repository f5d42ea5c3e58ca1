"""Deleted workspaces as a kind of thing in the trash, and how they are destroyed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runyard.server.auth import Permission, Principal, WorkspaceState
from runyard.server.auth.service import forget_workspace
from runyard.server.db import Connection, Database, Transaction
from runyard.server.workspaces.service.kinds import GoOn, KindName, Left, TrashEntry, TrashPosition, TrashSize
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.store import trash as store
from runyard.server.workspaces.store.workspaces import remove
from runyard.server.workspaces.types import Scope

MarkContents = Callable[[int, int, GoOn], Awaitable[None]]
"""Marks all that is in a workspace, at a time."""

CountContents = Callable[[Connection, int], int]
"""How much there still is of what is in a workspace; 0 when all is destroyed."""


@dataclass(frozen=True)
class DeletedWorkspaces:
    """The kind.

    A workspace lies in nobody's workspace: administrators see all of them, an owner its own from within.

    Attributes:
        database: where they live.
        usage: what they hold in sum.
        mark_contents, count_contents: see there.
        changed: called after a commit that restored or marked workspaces: what is known of them is old.
    """

    database: Database
    usage: Usage
    mark_contents: MarkContents
    count_contents: CountContents
    changed: Callable[[], None]

    name: KindName = "workspace"
    see = restore_with = purge_with = Permission.WORKSPACE_DELETE

    def page(
        self,
        connection: Connection,
        principal: Principal,
        *,
        experiment: int | None,
        behind: TrashPosition,
        limit: int,
    ) -> list[TrashEntry]:
        """The deleted workspaces that the principal may see."""
        if experiment is not None:
            return []
        found = [self._entry(one) for one in store.find_deleted(connection) if _is_seen(principal, one)]
        rest = [one for one in found if (one.deleted_time, one.key) < (behind.time, behind.key)]
        return rest[:limit]

    def lock(self, tx: Transaction, principal: Principal, ids: Sequence[str]) -> list[TrashEntry]:
        """Those of the workspaces, by their names, that the principal may see."""
        return [self._entry(one) for one in store.lock_deleted(tx, ids) if _is_seen(principal, one)]

    def expired(self, connection: Connection, before: int, limit: int) -> list[TrashEntry]:
        """Some of what was deleted before a time."""
        found = [self._entry(one) for one in store.find_deleted(connection) if one.deleted_time < before]
        return found[:limit]

    def restore(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Bring workspaces back."""
        store.restore_deleted(tx, [entry.key for entry in entries], now)
        tx.after_commit(self.changed)

    def mark(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let workspaces be there for nobody; their names are free."""
        for entry in entries:
            store.mark_purged(tx, entry.key, now, entry.deleted_time)
        tx.after_commit(self.changed)

    async def size(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        """What is counted of each."""
        del deadline
        found = await self.database.read(
            lambda c: [self.usage.total(c, (Scope.WORKSPACE, entry.key)) for entry in entries]
        )
        return [TrashSize(sums.runs, sums.points, sums.files, sums.size) for sums in found]

    def pending(self, connection: Connection) -> bool:
        """Whether a workspace is to be destroyed."""
        return bool(store.find_purged(connection))

    async def spread(self, now: int, go_on: GoOn) -> Left:
        """Mark what is in the workspaces that are to be destroyed."""
        for workspace in await self.database.read(store.find_purged):
            await self.mark_contents(workspace, now, go_on)
        return Left()

    async def destroy(self, now: int, go_on: GoOn) -> Left:
        """Destroy the workspaces that hold nothing any more."""
        del now
        for workspace in await self.database.read(store.find_purged):
            await go_on()

            def mutate(tx: Transaction, workspace: int = workspace) -> None:
                forget_workspace(tx, workspace)
                if not self.count_contents(tx, workspace):
                    remove(tx, workspace)
                    self.usage.workspace_gone(tx, workspace)

            await self.database.write(mutate)
        return Left()

    def _entry(self, found: store.DeletedWorkspace) -> TrashEntry:
        return TrashEntry(
            kind="workspace",
            key=found.id,
            id=found.name,
            name=found.name,
            workspace_id=found.id,
            place=None,
            deleted_time=found.deleted_time,
        )


def _is_seen(principal: Principal, found: store.DeletedWorkspace) -> bool:
    access, here = principal.access, principal.workspace
    if access.allows(Permission.WORKSPACE_CREATE):  # an administrator
        return True
    inside = here.id == found.id and here.state is WorkspaceState.DELETED
    return inside and access.allows(Permission.WORKSPACE_DELETE)
