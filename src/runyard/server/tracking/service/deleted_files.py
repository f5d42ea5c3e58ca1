"""Deleted artifact files: how they get to the trash and back, and how they are destroyed.

A database and a store of files have no transaction in common. So the row says first what is to happen
(`FileState`), then the files move, then the row says that they have. After a kill anywhere between, another
process goes on: what had begun to move comes to where it was to go, and a deletion of which nothing has moved
is given up. It takes nobody for dead too early: a process knows what it has in hand, and leaves alone what is
younger than a minute and may be in another's.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, cast

from runyard.server.artifacts import BlobInfo, BlobPath, BlobStore, parse_blob_path
from runyard.server.auth import Permission, Place, Principal, sees
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound, RunyardError
from runyard.server.tracking import rules
from runyard.server.tracking.store import deleted_artifacts as store
from runyard.server.tracking.store.deleted_artifacts import DeletedFile, NewFile
from runyard.server.tracking.types import FileState
from runyard.server.workspaces.service import DAY_MS, GoOn, Item, Left, Usage
from runyard.server.workspaces.types import Sums

Begin = Callable[[Transaction, str, bool], NewFile]
"""Checks, in the transaction, that files may be deleted, and notes it: given the deletion's id, and whether
they are a folder."""

# After so long nobody is at work any more with what he has begun.
_LATE_MS = 60_000
# What is destroyed between two transactions.
_BATCH = 100

_log = logging.getLogger("runyard.trash")


class DeletedFiles:
    """Moves files to the trash and back, and destroys them.

    Args:
        database: where the rows live.
        blobs: where the files live.
        usage: what is counted; what lies in the trash is.
        days: how long things lie in the trash; 0 for ever.
    """

    def __init__(self, database: Database, blobs: BlobStore, usage: Usage, *, days: int) -> None:
        self._database = database
        self._blobs = blobs
        self._usage = usage
        self._days = days
        # What this process has in hand, by the public ids.
        self._in_hand: set[str] = set()
        # One process only: whatever it hasn't in hand was begun before its start.
        self._late_ms = 0 if database.dialect.name == "sqlite" else _LATE_MS

    async def delete(self, path: BlobPath, begin: Begin) -> DeletedFile | None:
        """Move a file, or a folder with all that is in it, to the trash; None when nothing is there."""
        first = await self._first(path)
        if first is None:
            return None
        new, now = ids.new_deletion_id(), clock.now_ms()
        with self._having([new]):
            key = await self._database.write(
                lambda tx: store.insert(tx, begin(tx, new, first.path != path), now)
            )
            file = await self._find(key)
            if file is not None:
                await self._move_away(file)
        return await self._find(key)

    def purge_time(self, file: DeletedFile) -> int | None:
        """When it is purged by itself; None for never."""
        return file.deleted_time + self._days * DAY_MS if self._days else None

    @asynccontextmanager
    async def restoring(self, principal: Principal, items: Sequence[Item]) -> AsyncIterator[None]:
        """Around the transaction that restores: check that files can come back, and move them afterwards.

        Raises:
            AlreadyExists: something lies now where one of them was. Found before, it keeps all where they
                are; if it came at this very moment, only that one.
            InvalidArgument: one was in another one.
        """
        sought = [item.id for item in items if item.kind == "artifact"]
        files: list[DeletedFile] = []
        if sought:
            files = await self._database.read(partial(_restorable, principal, sought))
            _check_apart(files)
            for file in files:
                await self._check_free(file)
        with self._having([file.uuid for file in files]):
            yield
            refused = [one for file in files if (one := await self._move_back(file)) is not None]
        if refused:
            raise refused[0]

    async def finish(self) -> None:
        """Go on with what was begun by somebody who is gone."""
        before = clock.now_ms() - self._late_ms
        for file in await self._database.read(lambda c: store.begun(c, before)):
            if file.uuid in self._in_hand:
                continue
            with self._having([file.uuid]):
                try:
                    await self._go_on(file.id)
                except (OSError, RunyardError) as error:
                    _log.warning("%s can't be moved to the trash or back yet: %s", file.path, error)

    def pending(self, connection: Connection) -> bool:
        """Whether something is to be destroyed."""
        return bool(store.purged(connection, 0, 1))

    async def destroy(self, now: int, go_on: GoOn) -> Left:
        """Destroy what is marked (`workspaces.service.Destroy`)."""
        del now
        failed, after = False, 0
        while files := await self._database.read(partial(store.purged, after=after, limit=_BATCH)):
            after = files[-1].id
            gone = []
            for file in files:
                await go_on()
                if await self._destroy(file):
                    gone.append(file)
            failed = failed or len(gone) < len(files)
            # What is uncounted has to be counted before.
            await self._usage.flush()
            await self._database.write(partial(self._forget, gone))
        return Left(failed=failed)

    async def _go_on(self, key: int) -> None:
        """Go on with what a row says. It is read again: it may have been done since somebody looked."""
        file = await self._find(key)
        if file is not None and file.state == FileState.RESTORING:
            await self._move_back(file)
        elif file is not None and file.state == FileState.DELETING:
            if await self._first(_trash_path(file)) is not None:
                await self._move_away(file)
            else:
                # Nothing has moved, and by now another file may be there, which nobody has deleted.
                await self._database.write(lambda tx: store.gone(tx, file.id, FileState.DELETING))

    async def _move_away(self, file: DeletedFile) -> None:
        there = _trash_path(file)
        with suppress(AlreadyExists):  # it lies in the trash, and something else at its place by now
            await self._blobs.move(_place(file), there, alone=True)
        found = await self._blobs.usage(there)
        moved, now = file._replace(files=found.files, size=found.size), clock.now_ms()

        def arrive(tx: Transaction) -> None:
            if found.files:
                store.arrive(tx, moved, now)
            else:  # somebody else was faster
                store.gone(tx, file.id, FileState.DELETING)

        await self._settle(file, there, arrive)

    async def _move_back(self, file: DeletedFile) -> AlreadyExists | None:
        """Move it back; returns why that can't be, and then it stays in the trash."""
        try:
            await self._blobs.move(_trash_path(file), _place(file))
        except AlreadyExists:
            now = clock.now_ms()
            await self._database.write(lambda tx: store.stays(tx, file.id, now))
            return _occupied(file)
        await self._settle(file, _place(file), lambda tx: store.gone(tx, file.id, FileState.RESTORING))
        return None

    async def _settle(
        self, file: DeletedFile, place: BlobPath, change: Callable[[Transaction], None]
    ) -> None:
        """Note that files have moved; or delete them, if what they belong to was purged meanwhile."""

        def settle(tx: Transaction) -> bool:
            if not store.has_owner(tx, file):
                return False
            change(tx)
            return True

        if not await self._database.write(settle):
            gone = await self._blobs.delete_prefix(place)
            self._usage.add(file.workspace_id, file.experiment_id, Sums(size=-gone.size, files=-gone.files))

    async def _destroy(self, file: DeletedFile) -> bool:
        try:
            await self._blobs.delete_prefix(_trash_path(file))
        except (OSError, RunyardError) as error:
            _log.warning("%s, which was purged, can't be deleted yet: %s", file.path, error)
            return False
        return True

    def _forget(self, files: Sequence[DeletedFile], tx: Transaction) -> None:
        removed = store.remove(tx, [file.id for file in files])
        gone: dict[tuple[int, int, int | None], Sums] = {}
        for file in files:
            if file.id in removed:
                owner = (file.workspace_id, file.experiment_id, file.run_id)
                gone[owner] = gone.get(owner, Sums()) + Sums(size=file.size, files=file.files)
        self._usage.files_gone(tx, gone)

    async def _find(self, key: int) -> DeletedFile | None:
        found = await self._database.read_point(lambda c: store.by_keys(c, [key]))
        return found.get(key)

    async def _first(self, path: BlobPath) -> BlobInfo | None:
        """The first file at or below a path."""
        async with aclosing(cast(Any, self._blobs.walk(path))) as found:
            async for blob in found:
                return cast(BlobInfo, blob)
        return None

    async def _check_free(self, file: DeletedFile) -> None:
        """Raises AlreadyExists if something lies where it was, or a file where a folder above it was."""
        segments = file.path.split("/")
        for depth in range(rules.owner_depth(segments) + 2, len(segments)):
            with suppress(NotFound):
                await self._blobs.stat(parse_blob_path("/".join(segments[:depth])))
                raise _occupied(file)
        if await self._first(_place(file)) is not None:
            raise _occupied(file)

    @contextmanager
    def _having(self, uuids: Sequence[str]) -> Iterator[None]:
        self._in_hand.update(uuids)
        try:
            yield
        finally:
            self._in_hand.difference_update(uuids)


def place_of(file: DeletedFile) -> Place:
    """The experiment that it belongs to."""
    return Place(file.experiment_id, file.experiment_name)


def _restorable(principal: Principal, uuids: Sequence[str], connection: Connection) -> list[DeletedFile]:
    """Those of the files that the principal may restore; the transaction refuses the others."""
    access = principal.access
    return [
        file
        for file in store.in_trash(connection, principal.workspace.id, uuids)
        if sees(principal, place_of(file)) and access.allows(Permission.ARTIFACT_DELETE, place_of(file))
    ]


def _check_apart(files: Sequence[DeletedFile]) -> None:
    paths: set[str] = set()
    for path in sorted(file.path for file in files):
        segments = path.split("/")
        for depth in range(1, len(segments) + 1):
            above = "/".join(segments[:depth])
            if above in paths:
                raise InvalidArgument(
                    f"'{rules.cut(above)}' and '{rules.cut(path)}' can't come back together: one was at the "
                    "other's place, or in it. Restore one after the other.",
                    field="items",
                )
        paths.add(path)


def _occupied(file: DeletedFile) -> AlreadyExists:
    return AlreadyExists(
        f"'{rules.cut(file.path, 500)}' can't come back and stays in the trash: something else lies there "
        "now. Delete that first.",
        field="items",
    )


def _place(file: DeletedFile) -> BlobPath:
    return parse_blob_path(file.path)


def _trash_path(file: DeletedFile) -> BlobPath:
    return parse_blob_path(rules.trash_path(file.path, file.uuid))
