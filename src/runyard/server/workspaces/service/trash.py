"""The trash: what was deleted lies in it until it is restored or purged.

Purging has two steps. What goes is marked, in the transaction that notes it in the activity log: from then
on nobody sees it, and its name is free. Then it is destroyed, slice by slice (`purger`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from runyard.server.auth import Permission, Principal
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.workspaces.service.kinds import (
    Around,
    Filter,
    Item,
    KindName,
    TrashEntry,
    TrashKind,
    TrashSize,
)
from runyard.server.workspaces.service.purger import DAY_MS, Purger, note_entries
from runyard.server.workspaces.service.trash_contents import END, TrashContents, locked

MAX_ITEMS = 1000
# Entries of a slice that marks what goes.
SLICE = 1000
# How long a list may take to measure sizes, and a purge; and how long a purge is waited for.
LIST_SECONDS = 2.0
PURGE_SECONDS = 5.0
WAIT_SECONDS = 2.0


class Listed(msgspec.Struct, frozen=True):
    """An entry of the list; `purge_time` is None where nothing is purged by itself."""

    entry: TrashEntry
    purge_time: int | None
    size: TrashSize | None


class Moved(msgspec.Struct, frozen=True):
    """What was restored or purged, or would be.

    Attributes:
        counts: entries by kind.
        runs: the runs among them and in them.
        points, artifact_files, artifact_bytes: in all. As the runs, None where it isn't known of one of them.
        done: whether all of it is destroyed already.
    """

    counts: dict[str, int]
    runs: int | None = 0
    points: int | None = None
    artifact_files: int | None = None
    artifact_bytes: int | None = None
    done: bool = False


class Trash:
    """Lists, restores and purges what was deleted.

    Args:
        database: where it lives.
        contents: what can lie in the trash.
        purger: destroys what goes.
        around_restore: see there.
        days: how long things lie in the trash; 0 for ever.
    """

    def __init__(
        self,
        database: Database,
        contents: TrashContents,
        purger: Purger,
        around_restore: Around,
        *,
        days: int,
    ) -> None:
        self._database = database
        self._contents = contents
        self._purger = purger
        self._around_restore = around_restore
        self._days = days

    async def page(
        self, principal: Principal, wanted: Filter, *, limit: int, token: str | None, sizes: bool
    ) -> tuple[list[Listed], str | None]:
        """A page of what the principal may see, newest first, and the next page's token."""
        if not 1 <= limit <= MAX_ITEMS:
            raise InvalidArgument(f"'limit' must be 1 to {MAX_ITEMS:,}, not {limit:,}.", field="limit")
        wanted = _meant(principal, wanted)
        contents, kind = self._contents, _token_kind(wanted)
        start = contents.start(wanted) if token is None else contents.behind(*_position(kind, token))
        found = await self._database.read(
            lambda c: contents.page(c, principal, wanted, start, limit + 1, _see)
        )
        page = found[:limit]
        measured = await self._measure(page) if sizes else {}
        listed = [Listed(one, self._purge_time(one), measured.get((one.kind, one.key))) for one in page]
        more = len(found) > limit
        return listed, encode_token(kind, list(contents.place_of(page[-1]))) if more else None

    async def restore(self, principal: Principal, items: Sequence[Item]) -> Moved:
        """Bring things back, all or none.

        Raises:
            NotFound: one doesn't lie in the trash.
            PermissionDenied: the principal may not restore one.
            AlreadyExists: something lies at the place of one.
        """
        _check(items)
        now = clock.now_ms()

        def mutate(tx: Transaction) -> Moved:
            counts: Counter[str] = Counter()
            # What others are in comes first: they can't come back without it.
            for kind in self._contents.kinds.values():
                entries = locked(tx, kind, principal, items, kind.restore_with)
                if entries:
                    kind.restore(tx, entries, now)
                    counts[kind.name] = len(entries)
                    note_entries(tx, principal, "trash.restore", entries)
            return Moved(dict(counts))

        async with self._around_restore(principal, items):
            return await self._database.write(mutate)

    async def purge(
        self, principal: Principal, items: Sequence[Item] | None, wanted: Filter, *, dry_run: bool
    ) -> Moved:
        """Let things go for good; without items, all that the filter finds and the principal may purge.

        Args:
            principal: who does it.
            items: what goes: all or, on an error, nothing.
            wanted: what goes, where there are no items.
            dry_run: only say what would go.

        Raises:
            NotFound: one doesn't lie in the trash.
            PermissionDenied: the principal may not purge one.
        """
        total = _Total(self._contents.kinds, clock.monotonic() + PURGE_SECONDS)
        if items is None:
            await self._purge_all(principal, _meant(principal, wanted), total, dry_run=dry_run)
        else:
            _check(items)
            named = partial(self._named, principal=principal, items=items)
            await total.add(await self._database.write(partial(named, mark=False)))
            if not dry_run:
                await self._database.write(partial(named, mark=True))
        done = not dry_run and await self._purger.soon(WAIT_SECONDS)
        return total.moved(done=done)

    async def _purge_all(self, principal: Principal, wanted: Filter, total: _Total, *, dry_run: bool) -> None:
        contents = self._contents
        start = contents.start(wanted)
        while True:
            found = await self._database.read(
                lambda c, at=start: contents.page(c, principal, wanted, at, SLICE, _purge)  # type: ignore[misc]
            )
            of_kind: dict[KindName, list[TrashEntry]] = {}
            for entry in found:
                of_kind.setdefault(entry.kind, []).append(entry)
            await total.add(of_kind)
            if found and not dry_run:
                await self._database.write(partial(self._mark, principal=principal, of_kind=of_kind))
            if len(found) < SLICE:
                return
            start = contents.behind(*contents.place_of(found[-1]))

    def _named(
        self, tx: Transaction, *, principal: Principal, items: Sequence[Item], mark: bool
    ) -> Mapping[KindName, Sequence[TrashEntry]]:
        of_kind = self._contents.named(tx, principal, items, _purge)
        if mark:
            self._mark(tx, principal=principal, of_kind=of_kind)
        return of_kind

    def _mark(
        self, tx: Transaction, *, principal: Principal, of_kind: Mapping[KindName, Sequence[TrashEntry]]
    ) -> None:
        now = clock.now_ms()
        for kind, entries in of_kind.items():
            self._contents.kinds[kind].mark(tx, entries, now)
            note_entries(tx, principal, "trash.purge", entries)

    async def _measure(self, entries: Sequence[TrashEntry]) -> dict[tuple[KindName, int], TrashSize]:
        deadline = clock.monotonic() + LIST_SECONDS
        measured: dict[tuple[KindName, int], TrashSize] = {}
        for kind in self._contents.kinds.values():
            own = [entry for entry in entries if entry.kind == kind.name]
            sizes = await kind.size(own, deadline) if own else []
            measured |= {(kind.name, one.key): size for one, size in zip(own, sizes, strict=True)}
        return measured

    def _purge_time(self, entry: TrashEntry) -> int | None:
        return entry.deleted_time + self._days * DAY_MS if self._days else None


class _Total:
    """Adds up what goes."""

    def __init__(self, kinds: Mapping[KindName, TrashKind], deadline: float) -> None:
        self._kinds = kinds
        self._deadline = deadline
        self._counts: Counter[str] = Counter()
        self._sizes: list[TrashSize] = []

    async def add(self, of_kind: Mapping[KindName, Sequence[TrashEntry]]) -> None:
        """Measure and add entries."""
        for kind, entries in of_kind.items():
            self._counts[kind] += len(entries)
            self._sizes += await self._kinds[kind].size(entries, self._deadline)

    def moved(self, *, done: bool) -> Moved:
        """The sum."""
        return Moved(
            dict(self._counts),
            _sum(size.runs for size in self._sizes),
            _sum(size.points for size in self._sizes),
            _sum(size.artifact_files for size in self._sizes),
            _sum(size.artifact_bytes for size in self._sizes),
            done,
        )


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _see(kind: TrashKind) -> Permission:
    return kind.see


def _purge(kind: TrashKind) -> Permission:
    return kind.purge_with


def _check(items: Sequence[Item]) -> None:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidArgument(
            f"'items' takes 1 to {MAX_ITEMS:,} entries; there are {len(items):,}.", field="items"
        )


def _token_kind(wanted: Filter) -> str:
    return f"trash {','.join(wanted.kinds)} {wanted.experiment} {wanted.before}"


def _position(kind: str, token: str) -> tuple[int, int, int]:
    values = decode_token(kind, token)
    if len(values) != 3 or not all(type(value) is int and -1 <= value <= END for value in values):
        raise InvalidArgument("Invalid page_token: start again without it.", field="page_token")
    return values[0], values[1], values[2]


def _meant(principal: Principal, wanted: Filter) -> Filter:
    """The filter with the workspace's own experiment for 0, which clients send when they chose none."""
    if wanted.experiment != 0:
        return wanted
    return msgspec.structs.replace(wanted, experiment=principal.workspace.default_experiment)
