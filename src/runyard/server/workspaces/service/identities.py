"""Deleted users, service principals, groups and custom roles as kinds of things in the trash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runyard.server.auth import Permission, Principal
from runyard.server.auth.records import DeletedIdentity
from runyard.server.auth.service import deleted
from runyard.server.auth.types import IdentityKind
from runyard.server.db import Connection, Transaction
from runyard.server.workspaces.service.kinds import TrashEntry, TrashPosition, TrashSize

_NOTHING = TrashSize(0, 0, 0, 0)


@dataclass(frozen=True)
class IdentityTrash:
    """One kind. It lies in nobody's workspace: whoever may delete such things sees all of them from any.

    Attributes:
        changed: called after a commit that restored some: what is known of who may do what is old.
        name: the kind's name.
        needed: what deleting takes, and so all else.
    """

    changed: Callable[[], None]
    name: IdentityKind
    needed: Permission

    @property
    def see(self) -> Permission:
        """What seeing takes."""
        return self.needed

    restore_with = purge_with = see

    def page(
        self,
        connection: Connection,
        principal: Principal,
        *,
        experiment: int | None,
        behind: TrashPosition,
        limit: int,
    ) -> list[TrashEntry]:
        """What was deleted last, before a place, for whoever may see it."""
        if experiment is not None or not principal.access.allows(self.needed):
            return []
        found = deleted.page(connection, self.name, time=behind.time, key=behind.key, limit=limit)
        return [_entry(one) for one in found]

    def lock(self, tx: Transaction, principal: Principal, ids: Sequence[str]) -> list[TrashEntry]:
        """Those that lie in the trash, for whoever may see them."""
        if not principal.access.allows(self.needed):
            return []
        keys = [int(one) for one in ids if one.isascii() and one.isdigit() and len(one) <= 18]
        return [_entry(one) for one in deleted.lock(tx, self.name, keys)]

    def expired(self, connection: Connection, before: int, limit: int) -> list[TrashEntry]:
        """Some of what was deleted before a time."""
        return [_entry(one) for one in deleted.expired(connection, self.name, before, limit)]

    def restore(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Bring entries back."""
        del now
        deleted.restore(tx, self.name, [entry.key for entry in entries])
        tx.after_commit(self.changed)

    def mark(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let entries go; nothing is left to destroy afterwards."""
        del now
        until = max(entry.deleted_time for entry in entries)
        deleted.purge(tx, [entry.key for entry in entries], until)

    async def size(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        """They take nothing that is counted."""
        del deadline
        return [_NOTHING] * len(entries)


def identity_kinds(changed: Callable[[], None]) -> list[IdentityTrash]:
    """The kinds; `changed` is that of each."""
    write = Permission.USER_WRITE
    return [
        IdentityTrash(changed, "role", Permission.ROLE_WRITE),
        IdentityTrash(changed, "group", write),
        IdentityTrash(changed, "user", write),
        IdentityTrash(changed, "service_principal", write),
    ]


def _entry(found: DeletedIdentity) -> TrashEntry:
    return TrashEntry(
        kind=found.kind,
        key=found.id,
        id=str(found.id),
        name=found.name,
        workspace_id=0,
        place=None,
        deleted_time=found.deleted_time,
    )
