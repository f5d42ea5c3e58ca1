"""Deleted users, service principals, groups and roles: into the trash, back from it, and away for good.

They leave the tables that decide on access at once, so nothing there knows of what is deleted: who is deleted
is nobody, and its name is free. What comes back has the id that it had, and what it held, but no token.
"""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.auth.records import Deleted, User
from runyard.server.auth.store import deleted as store
from runyard.server.auth.store import external, held, principals
from runyard.server.auth.store.deleted import expired, lock, page
from runyard.server.auth.types import IdentityKind, PrincipalKind
from runyard.server.db import Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import AlreadyExists, Conflict

__all__ = ["Deletion", "expired", "lock", "page", "purge", "restore"]

DAY_MS = 24 * 3_600_000
_KINDS: dict[PrincipalKind, IdentityKind] = {
    PrincipalKind.USER: "user",
    PrincipalKind.SERVICE: "service_principal",
    PrincipalKind.GROUP: "group",
}


class Deletion:
    """Moves principals and roles to the trash.

    Args:
        days: how long they lie in it before they go by themselves; 0 for ever.
    """

    def __init__(self, *, days: int) -> None:
        self._days = days

    def principal(self, tx: Transaction, user: User) -> Deleted:
        """Delete a principal, which is locked, with all that it holds. Its tokens end for good."""
        now = clock.now_ms()
        held.take_all(tx, user.id)
        store.take(tx, _KINDS[user.kind], user.id, user.id, now)
        return self._deleted(user.id, now)

    def role(self, tx: Transaction, name: str) -> Deleted:
        """Delete a role, which is locked and which nobody has."""
        key, now = ids.new_key(), clock.now_ms()
        held.bind_role(tx, name, key)
        store.take(tx, "role", name, key, now)
        return self._deleted(key, now)

    def _deleted(self, key: int, now: int) -> Deleted:
        return Deleted(str(key), now + self._days * DAY_MS if self._days else None)


def restore(tx: Transaction, kind: IdentityKind, keys: Sequence[int]) -> None:
    """Bring locked ones back, with what they held as far as it is about things that are there.

    Raises:
        AlreadyExists: another one has the name, or is the same person at the OpenID Connect provider.
        Conflict: that changes just now.
    """
    found = store.snapshots(tx, keys)
    for one in found:
        if not store.put_back(tx, kind, one):
            raise _in_the_way(tx, kind, one)
    store.drop(tx, keys)
    if kind != "role":
        held.give_back(tx, keys)
        return
    for one in found:
        held.give_back_role(tx, one.id)


def purge(tx: Transaction, keys: Sequence[int], until: int) -> None:
    """Let go for good those that were deleted until a time, with the hashes of their passwords."""
    held.forget(tx, store.drop_until(tx, keys, until))


def _in_the_way(tx: Transaction, kind: IdentityKind, found: store.Snapshot) -> AlreadyExists | Conflict:
    then = "then restore this one; what you delete can be restored as well."
    if kind == "role":
        return AlreadyExists(
            f"There is another role '{found.name}' now. Delete that one, {then}", field="items"
        )
    other = principals.find(tx, found.name)
    if other is not None:
        return AlreadyExists(
            f"The name '{found.name}' belongs to another {other.kind.word} now. Delete that one, {then}",
            field="items",
        )
    same = external.lock(tx, found.row.get("external_id") or "")
    if same is None:  # gone again since
        return Conflict(f"Somebody else changes what is called '{found.name}'; try again.", field="items")
    return AlreadyExists(
        f"Whom the OpenID Connect provider knew as '{found.name}' is the user '{same.row.name}' here now. "
        f"Delete or unlink that one, {then}",
        field="items",
    )
