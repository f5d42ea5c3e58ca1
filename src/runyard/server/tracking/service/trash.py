"""Experiments, runs, logged models and files as kinds of things in the trash (`TrashKind` of workspaces)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from runyard.server.artifacts import BlobPath, BlobStore, parse_blob_path
from runyard.server.artifacts import Usage as Files
from runyard.server.auth import Permission, Place, Principal
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.tracking.service.deleted_files import place_of
from runyard.server.tracking.service.experiments import check_free
from runyard.server.tracking.store import deleted_artifacts, models, points
from runyard.server.tracking.store import trash as store
from runyard.server.tracking.store.deleted_artifacts import DeletedFile
from runyard.server.tracking.types import Noun
from runyard.server.workspaces.service import KindName, TrashEntry, TrashKind, TrashPosition, TrashSize, Usage
from runyard.server.workspaces.types import Scope, Sums

SCHEME = "mlflow-artifacts:/"


@dataclass(frozen=True)
class TrackedKind:
    """One kind of thing.

    Attributes:
        database: where it lives.
        blobs: where the artifacts live.
        usage: what is counted.
        name: the kind's name.
        restore_with: what restoring takes, as deleting does.
    """

    database: Database
    blobs: BlobStore
    usage: Usage
    name: Noun
    restore_with: Permission

    see = Permission.TRASH_READ
    purge_with = Permission.TRASH_PURGE

    def page(
        self,
        connection: Connection,
        principal: Principal,
        *,
        experiment: int | None,
        behind: TrashPosition,
        limit: int,
    ) -> list[TrashEntry]:
        """What of the principal's workspace was deleted last, before a place."""
        rows = store.page(
            connection,
            self.name,
            principal.workspace.id,
            experiment=experiment,
            behind=store.Place(behind.time, behind.key),
            limit=limit,
        )
        return [self._entry(row) for row in rows]

    def lock(self, tx: Transaction, principal: Principal, ids: Sequence[str]) -> list[TrashEntry]:
        """Those that lie in the trash of the principal's workspace."""
        sought: list[str] | list[int] = list(ids)
        if self.name == "experiment":
            sought = [int(one) for one in ids if one.isascii() and one.isdigit() and len(one) <= 18]
        return [self._entry(row) for row in store.lock(tx, self.name, principal.workspace.id, sought)]

    def expired(self, connection: Connection, before: int, limit: int) -> list[TrashEntry]:
        """Some of what was deleted before a time."""
        return [self._entry(row) for row in store.expired(connection, self.name, before, limit)]

    def restore(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Bring entries back.

        Raises:
            AlreadyExists: of an experiment, the name is taken.
        """
        if self.name == "experiment":
            check_free(tx, entries[0].workspace_id, [(entry.key, entry.name) for entry in entries], "items")
        store.restore(tx, self.name, [entry.key for entry in entries], now)

    def mark(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let entries be seen no more."""
        keys, until = [entry.key for entry in entries], max(entry.deleted_time for entry in entries)
        store.mark(tx, self.name, keys, now, until)

    async def size(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        """How much each entry takes: as it is counted, but for the files of models."""
        if self.name == "model":
            return await self._models(entries, deadline)
        found = await self.database.read(lambda c: self._counted(c, [entry.key for entry in entries]))
        return [TrashSize(sums.runs, sums.points, sums.files, sums.size) for sums in found]

    def _counted(self, connection: Connection, keys: Sequence[int]) -> list[Sums]:
        if self.name == "experiment":
            return [self.usage.total(connection, (Scope.EXPERIMENT, key)) for key in keys]
        logged = points.of_runs(connection, keys)
        files = [self.usage.total(connection, (Scope.RUN, key)) for key in keys]
        return [
            Sums(points=logged.get(key, 0), runs=1, size=sums.size, files=sums.files)
            for key, sums in zip(keys, files, strict=True)
        ]

    async def _models(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        homes = [entry.place.experiment for entry in entries if entry.place is not None]

        def read(connection: Connection) -> tuple[dict[int, int], dict[int, str]]:
            measured = models.count_points(connection, [entry.key for entry in entries])
            return measured, store.locations(connection, homes)

        measured, locations = await self.database.read(read)
        found: list[TrashSize] = []
        for entry, home in zip(entries, homes, strict=True):
            path = folder_of(locations.get(home, ""), home, self.name, entry.id)
            files = await self._measure(path, deadline)
            each = (None, None) if files is None else (files.files, files.size)
            found.append(TrashSize(0, measured.get(entry.key, 0), *each))
        return found

    async def _measure(self, path: BlobPath | None, deadline: float) -> Files | None:
        left = deadline - clock.monotonic()
        if path is None or left <= 0:
            return Files(0, 0) if path is None else None
        try:
            async with asyncio.timeout(left):
                return await self.blobs.usage(path)
        except TimeoutError:
            return None

    def _entry(self, row: store.Trashed) -> TrashEntry:
        place = Place(row.experiment_id, row.experiment_name)
        return TrashEntry(
            kind=self.name,
            key=row.key,
            id=row.id,
            name=row.name,
            workspace_id=row.workspace_id,
            place=place,
            deleted_time=row.deleted_time,
        )


@dataclass(frozen=True)
class ArtifactKind:
    """Files and folders of runs and logged models that were deleted by themselves.

    Their rows are moved here; the files follow (`deleted_files`).

    Attributes:
        database: where the rows live.
    """

    database: Database

    name: KindName = "artifact"
    # What shows the names of files takes reading them, too (`trash_contents`).
    see = Permission.TRASH_READ
    restore_with = Permission.ARTIFACT_DELETE
    purge_with = Permission.TRASH_PURGE

    def page(
        self,
        connection: Connection,
        principal: Principal,
        *,
        experiment: int | None,
        behind: TrashPosition,
        limit: int,
    ) -> list[TrashEntry]:
        """What of the principal's workspace was deleted last, before a place."""
        found = deleted_artifacts.page(
            connection,
            principal.workspace.id,
            experiment=experiment,
            time=behind.time,
            key=behind.key,
            limit=limit,
        )
        return [_file_entry(file) for file in found]

    def lock(self, tx: Transaction, principal: Principal, ids: Sequence[str]) -> list[TrashEntry]:
        """Those that lie in the trash of the principal's workspace."""
        return [_file_entry(file) for file in deleted_artifacts.lock(tx, principal.workspace.id, ids)]

    def expired(self, connection: Connection, before: int, limit: int) -> list[TrashEntry]:
        """Some of what was deleted before a time."""
        return [_file_entry(file) for file in deleted_artifacts.expired(connection, before, limit)]

    def restore(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let files come back."""
        deleted_artifacts.restore(tx, [entry.key for entry in entries], now)

    def mark(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let files be seen no more."""
        until = max(entry.deleted_time for entry in entries)
        deleted_artifacts.mark(tx, [entry.key for entry in entries], now, until)

    async def size(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        """How much each takes: it was counted on its way to the trash."""
        del deadline
        keys = [entry.key for entry in entries]
        found = await self.database.read(lambda c: deleted_artifacts.by_keys(c, keys))
        nothing = TrashSize(0, 0, 0, 0)
        return [TrashSize(0, 0, found[k].files, found[k].size) if k in found else nothing for k in keys]


def _file_entry(file: DeletedFile) -> TrashEntry:
    _, _, below = file.path.split("/", 2)
    return TrashEntry(
        kind="artifact",
        key=file.id,
        id=file.uuid,
        # Below its experiment; of a folder with a slash at its end.
        name=f"{below}/" if file.is_dir else below,
        workspace_id=file.workspace_id,
        place=place_of(file),
        deleted_time=file.deleted_time,
    )


def tracked_kinds(database: Database, blobs: BlobStore, usage: Usage) -> list[TrashKind]:
    """The kinds, in the order in which they come back: what others are in comes first."""
    permissions: dict[Noun, Permission] = {
        "experiment": Permission.EXPERIMENT_DELETE,
        "run": Permission.RUN_DELETE,
        "model": Permission.MODEL_DELETE,
    }
    tracked = [TrackedKind(database, blobs, usage, noun, needed) for noun, needed in permissions.items()]
    return [*tracked, ArtifactKind(database)]


def folder_of(location: str, experiment: int, noun: Noun, owner: str) -> BlobPath | None:
    """The folder of all artifacts of a thing; None where clients keep them elsewhere.

    Args:
        location: where its experiment keeps them.
        experiment: the experiment.
        noun: what it is.
        owner: its public id.
    """
    if not location.startswith(SCHEME):
        return None
    root = location[len(SCHEME) :].strip("/")
    if not root.endswith(f"/{experiment}"):
        return None
    below = {"experiment": "", "run": f"/{owner}", "model": f"/models/{owner}"}[noun]
    return parse_blob_path(root + below)
