"""What lies in the trash, over all kinds, for whoever may see it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from runyard.server.auth import Permission, Principal, require, sees
from runyard.server.db import Connection, Transaction
from runyard.server.kernel.errors import NotFound
from runyard.server.workspaces.service.kinds import (
    Filter,
    Item,
    KindName,
    TrashEntry,
    TrashKind,
    TrashPosition,
)

END = 2**63 - 1

_WITH_IT = " What was deleted with its experiment is restored and purged with it."
_BY_ID = " It is named by its id, as the trash lists it."
_HINTS: Mapping[KindName, str] = {
    **dict.fromkeys(("run", "model"), _WITH_IT),
    "artifact": " While its run or model is in the trash, it can't be restored; restore that first.",
    **dict.fromkeys(("user", "service_principal", "group", "role"), _BY_ID),
}

Start = Mapping[KindName, TrashPosition]
"""For each kind where a page begins."""

Needed = Callable[[TrashKind], Permission]
"""What a principal needs to do something with an entry of a kind."""


class TrashContents:
    """The kinds together: newest first; of what was deleted at one time, kind by kind.

    Args:
        kinds: in the order in which things come back: what others are in comes first.
    """

    def __init__(self, kinds: Sequence[TrashKind]) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self._order = {kind.name: i for i, kind in enumerate(kinds)}

    def start(self, wanted: Filter) -> Start:
        """Where the first page begins."""
        return dict.fromkeys(self.kinds, TrashPosition(END if wanted.before is None else wanted.before, -1))

    def place_of(self, entry: TrashEntry) -> tuple[int, int, int]:
        """An entry's place in the order, for `behind`."""
        return self._order[entry.kind], entry.deleted_time, entry.key

    def behind(self, place: int, time: int, key: int) -> Start:
        """Where what comes behind an entry begins."""
        keys = {name: -1 if at < place else key if at == place else END for name, at in self._order.items()}
        return {name: TrashPosition(time, one) for name, one in keys.items()}

    def page(
        self,
        connection: Connection,
        principal: Principal,
        wanted: Filter,
        start: Start,
        limit: int,
        needed: Needed,
    ) -> list[TrashEntry]:
        """The first entries from a place on that the principal sees and has the permission for."""

        def entries(kind: TrashKind) -> Iterator[TrashEntry]:
            behind = start[kind.name]
            while True:
                rows = kind.page(
                    connection, principal, experiment=wanted.experiment, behind=behind, limit=limit
                )
                yield from (row for row in rows if _may(principal, row, needed(kind)))
                if len(rows) < limit:
                    return
                behind = TrashPosition(rows[-1].deleted_time, rows[-1].key)

        chosen = [kind for kind in self.kinds.values() if not wanted.kinds or kind.name in wanted.kinds]
        merged = heapq.merge(*map(entries, chosen), key=self._rank)
        return list(islice(merged, limit))

    def named(
        self, tx: Transaction, principal: Principal, items: Sequence[Item], needed: Needed
    ) -> dict[KindName, list[TrashEntry]]:
        """The entries that a request names, by kind, locked until the transaction ends.

        Raises:
            NotFound: one isn't there, or the principal may not see it.
            PermissionDenied: the principal sees it and lacks the permission.
        """
        found = {kind.name: locked(tx, kind, principal, items, needed(kind)) for kind in self.kinds.values()}
        return {kind: entries for kind, entries in found.items() if entries}

    def _rank(self, entry: TrashEntry) -> tuple[int, int, int]:
        return -entry.deleted_time, self._order[entry.kind], -entry.key


def locked(
    tx: Transaction, kind: TrashKind, principal: Principal, items: Sequence[Item], permission: Permission
) -> list[TrashEntry]:
    """Those entries that a request names that are of one kind; as `TrashContents.named`."""
    places = {item.id: i for i, item in enumerate(items) if item.kind == kind.name}
    found = {entry.id: entry for entry in kind.lock(tx, principal, list(places))} if places else {}
    for wanted, at in places.items():
        entry = found.get(wanted)
        if entry is None or not _may(principal, entry, kind.see):
            raise NotFound(
                f"The {kind.name.replace('_', ' ')} '{wanted[:100]}' isn't in the trash."
                + _HINTS.get(kind.name, ""),
                field=f"items[{at}]",
            )
        if entry.place is not None:
            require(principal, permission, entry.place)
    return list(found.values())


def _may(principal: Principal, entry: TrashEntry, permission: Permission) -> bool:
    """Whether a principal sees an entry and has a permission for it; kinds without places see to it."""
    if entry.place is None:
        return True
    # A file's name says something of what is in it.
    readable = entry.kind != "artifact" or principal.access.allows(Permission.ARTIFACT_READ, entry.place)
    return readable and sees(principal, entry.place) and principal.access.allows(permission, entry.place)
