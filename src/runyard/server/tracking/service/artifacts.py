"""Artifacts of runs and logged models: who owns a path, and what is done with it.

A path is `<workspace>/<experiment>/<run>/artifacts/...` or, for a logged model,
`<workspace>/<experiment>/models/<model>/artifacts/...`. One look-up of its owner decides on every
request: what no run and no model owns can't be written or read.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from runyard.server.artifacts import (
    BlobInfo,
    BlobPath,
    BlobReader,
    BlobStore,
    Entry,
    MultipartUploads,
    UploadId,
    UploadPart,
    join,
    parse_blob_path,
    parse_blob_prefix,
)
from runyard.server.auth import Permission, Principal, note
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel.errors import InvalidArgument, NotFound, NotImplementedHere, PermissionDenied
from runyard.server.tracking import rules
from runyard.server.tracking.service.access import admit, in_scope
from runyard.server.tracking.service.deleted_files import DeletedFiles
from runyard.server.tracking.service.models import missing as missing_model
from runyard.server.tracking.service.runs import missing_run, must_find, refuse_deleted
from runyard.server.tracking.store import models, runs
from runyard.server.tracking.store.deleted_artifacts import DeletedFile, NewFile
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Lifecycle, RunInfo
from runyard.server.workspaces.service import Home, Room

SCHEME = "mlflow-artifacts:/"


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was moved to the trash.

    Attributes:
        id: names it in the trash.
        path: relative to the root of the run or model; empty for all of it.
        files, size: how many files, and their bytes.
        purge_time: when they are purged by themselves; None for never.
    """

    id: str
    path: str
    files: int
    size: int
    purge_time: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a folder of a run or model.

    Attributes:
        root_uri: the artifact address of the run or model.
        folder: the folder, relative to the root; empty for the root.
        entries: files and folders, sorted by name.
    """

    root_uri: str
    folder: str
    entries: Sequence[Entry]


class _Owner(NamedTuple):
    """Whose a path is: a run's, or the logged model's with this surrogate key."""

    home: Home
    model: int | None


class Artifacts:
    """Lists, reads, writes and deletes artifacts.

    Args:
        database: where runs and models live.
        store: where the bytes live.
        keys: the interned names.
        room: the quotas.
        deleted: the trash.
    """

    def __init__(
        self, database: Database, store: BlobStore, keys: Keys, room: Room, deleted: DeletedFiles
    ) -> None:
        self._database = database
        self._deleted = deleted
        self._keys = keys
        self._store = store
        self._room = room

    async def list_of_run(self, principal: Principal, run: str, folder: str) -> Listing:
        """A folder of a run, in any lifecycle."""
        info = await self._run(principal, run, Permission.ARTIFACT_READ)
        return await self._list(info.artifact_uri, folder)

    async def list_of_model(self, principal: Principal, model: str, folder: str) -> Listing:
        """A folder of a logged model."""
        root = await self._model_root(principal, model)
        return await self._list(root, folder)

    async def open_of_run(self, principal: Principal, run: str, path: str) -> BlobReader:
        """A file of a run, opened for reading."""
        info = await self._run(principal, run, Permission.ARTIFACT_READ)
        return await self._store.open(_inside(info.artifact_uri, path))

    async def open_of_model(self, principal: Principal, model: str, path: str) -> BlobReader:
        """A file of a logged model, opened for reading."""
        root = await self._model_root(principal, model)
        return await self._store.open(_inside(root, path))

    async def write_to_run(
        self, principal: Principal, run: str, path: str, chunks: AsyncIterable[bytes]
    ) -> BlobInfo:
        """Store a file of an active run."""
        info = await self._run(principal, run, Permission.ARTIFACT_WRITE)
        refusal = refuse_deleted(run, info.lifecycle)
        if refusal is not None:
            raise refusal
        blob = _inside(info.artifact_uri, path)
        rules.check_upload_path(blob)
        home = Home(principal, info.experiment_id, info.id, run)
        return await self._write(home, blob, chunks, None)

    async def list_at(self, principal: Principal, path: str) -> Sequence[Entry]:
        """A folder by its whole path."""
        prefix = parse_blob_prefix(path)
        await self._owned(principal, prefix, Permission.ARTIFACT_READ)
        return await self._store.list(prefix)

    async def open_at(self, principal: Principal, path: str) -> BlobReader:
        """A file by its whole path, opened for reading."""
        blob = parse_blob_path(path)
        await self._owned(principal, blob, Permission.ARTIFACT_READ)
        return await self._store.open(blob)

    async def write_at(
        self, principal: Principal, path: str, chunks: AsyncIterable[bytes], size: int | None
    ) -> BlobInfo:
        """Store a file by its whole path."""
        blob = parse_blob_path(path)
        rules.check_upload_path(blob)
        home = await self._owned(principal, blob, Permission.ARTIFACT_WRITE)
        return await self._write(home, blob, chunks, size)

    async def delete_at(self, principal: Principal, path: str) -> None:
        """Move a file, or a folder with all that is in it, to the trash; nothing there is fine."""
        await self._delete(principal, parse_blob_path(path.rstrip("/")))

    async def delete_of_run(self, principal: Principal, run: str, path: str) -> Deletion:
        """Move a file or folder of an active run to the trash; without a path all of them.

        Raises:
            NotFound: nothing is there.
        """
        info = await self._run(principal, run, Permission.ARTIFACT_READ)
        return await self._delete_below(principal, info.artifact_uri, path)

    async def delete_of_model(self, principal: Principal, model: str, path: str) -> Deletion:
        """The same of a logged model."""
        return await self._delete_below(principal, await self._model_root(principal, model), path)

    async def start_upload(self, principal: Principal, path: str) -> UploadId:
        """Begin an upload in parts."""
        blob = parse_blob_path(path)
        rules.check_upload_path(blob)
        await self._owned(principal, blob, Permission.ARTIFACT_WRITE)
        return await self._uploads().create_upload(blob)

    async def write_part(
        self, principal: Principal, path: str, upload: UploadId, number: int, chunks: AsyncIterable[bytes]
    ) -> str:
        """Store one part; returns its tag.

        Raises:
            PermissionDenied: the principal came with the ticket of another upload.
        """
        blob = parse_blob_path(path)
        home = await self._owned(principal, blob, Permission.ARTIFACT_PART)
        if principal.token is not None and principal.token.upload not in (None, upload):
            raise PermissionDenied(
                "This ticket is for another upload. Send each part with the headers that came with its "
                "address."
            )
        async with self._room.upload(home, replaced=None, size=None) as file:
            tag = await self._uploads().write_part(blob, upload, number, file.checked(chunks))
            self._room.keep_part(upload, file)
            return tag

    async def complete_upload(
        self, principal: Principal, path: str, upload: UploadId, parts: Sequence[UploadPart]
    ) -> BlobInfo:
        """Join the parts to the file."""
        blob = parse_blob_path(path)
        home = await self._owned(principal, blob, Permission.ARTIFACT_WRITE)
        size = await self._uploads().upload_size(blob, upload, parts)
        with self._room.without_parts(upload):
            async with self._room.upload(home, replaced=await self._size_of(blob), size=size) as file:
                written = await self._uploads().complete_upload(blob, upload, parts)
                file.stored(written.info.size, written.replaced)
        return await self._kept(home, blob, written.info)

    async def abort_upload(self, principal: Principal, path: str, upload: UploadId) -> None:
        """Drop an upload and its parts."""
        blob = parse_blob_path(path)
        await self._owned(principal, blob, Permission.ARTIFACT_WRITE)
        if await self._uploads().abort_upload(blob, upload):
            self._room.forget_parts(upload)

    async def _delete_below(self, principal: Principal, root_uri: str, path: str) -> Deletion:
        blob = _inside(root_uri, path.rstrip("/")) if path else parse_blob_path(_stored_here(root_uri))
        file = await self._delete(principal, blob)
        if file is None:
            raise NotFound(f"There is no artifact at '{rules.cut(path)}'.", field="path")
        return Deletion(file.uuid, path.rstrip("/"), file.files, file.size, self._deleted.purge_time(file))

    async def _delete(self, principal: Principal, blob: BlobPath) -> DeletedFile | None:
        needed = Permission.ARTIFACT_DELETE
        await self._owned(principal, blob, needed)

        def begin(tx: Transaction, deletion: str, is_dir: bool) -> NewFile:
            home, model = self._owner(tx, principal, blob, needed)
            note(tx, principal, "artifact.delete", "artifact", blob, deletion=deletion)
            return NewFile(deletion, home.workspace.id, home.experiment, home.run, model, blob, is_dir)

        return await self._deleted.delete(blob, begin)

    async def _write(
        self, home: Home, blob: BlobPath, chunks: AsyncIterable[bytes], size: int | None
    ) -> BlobInfo:
        async with self._room.upload(home, replaced=await self._size_of(blob), size=size) as file:
            written = await self._store.write(blob, file.checked(chunks), size_hint=size)
            file.stored(written.info.size, written.replaced)
        return await self._kept(home, blob, written.info)

    async def _size_of(self, blob: BlobPath) -> int | None:
        try:
            return (await self._store.stat(blob)).size
        except NotFound:
            return None

    async def _kept(self, home: Home, blob: BlobPath, stored: BlobInfo) -> BlobInfo:
        """What was stored, if its owner is still there: an upload takes long, and a purge may be past by now.

        Raises:
            NotFound: the owner was purged meanwhile; the file is gone too.
        """
        find, missing = (models.find, missing_model) if home.run is None else (runs.find, missing_run)
        workspace = home.workspace.id
        if await self._database.read_point(lambda c: find(c, workspace, home.name)) is None:
            gone = await self._store.delete_prefix(blob)
            self._room.freed(home, gone.files, gone.size)
            raise missing(home.name)
        return stored

    def _uploads(self) -> MultipartUploads:
        if not isinstance(self._store, MultipartUploads):
            raise NotImplementedHere("This server's artifact store takes no uploads in parts.")
        return self._store

    async def _list(self, root_uri: str, folder: str) -> Listing:
        root = _stored_here(root_uri)
        relative = parse_blob_prefix(folder)
        prefix = parse_blob_prefix(f"{root}/{relative}" if relative else root)
        return Listing(root_uri, relative, await self._store.list(prefix))

    async def _run(self, principal: Principal, run: str, permission: Permission) -> RunInfo:
        return await self._database.read_point(lambda c: must_find(c, self._keys, principal, run, permission))

    async def _model_root(self, principal: Principal, model: str) -> str:
        def read(connection: Connection) -> str:
            found = models.find(connection, principal.workspace.id, model)
            if found is None or not in_scope(connection, self._keys, principal, found.row.source_run):
                raise missing_model(model)
            admit(principal, Permission.ARTIFACT_READ, found.place, lambda: missing_model(model))
            return found.row.artifact_location

        return await self._database.read_point(read)

    async def _owned(self, principal: Principal, path: str, permission: Permission) -> Home:
        """Whose path it is: a run's or a model's with which the principal may do this.

        Raises:
            NotFound: nobody owns it whom the principal may see.
            PermissionDenied: the principal may not do this.
            InvalidArgument: it isn't the path of anybody's artifacts, or its owner is deleted.
        """
        found = await self._database.read_point(lambda c: self._owner(c, principal, path, permission))
        return found.home

    def _owner(
        self, connection: Connection, principal: Principal, path: str, permission: Permission
    ) -> _Owner:
        segments = path.split("/")
        marker = rules.owner_depth(segments)
        is_model = marker == 4
        workspace = principal.workspace.name
        if len(segments) <= marker or segments[0] != workspace or segments[marker] != "artifacts":
            raise InvalidArgument(
                f"'{rules.cut(path)}' isn't a path of artifacts in the workspace '{workspace}'; such paths "
                f"begin with {workspace}/<experiment>/<run>/artifacts or "
                f"{workspace}/<experiment>/models/<model>/artifacts.",
                field="path",
            )
        owner = segments[marker - 1]
        missing = partial(missing_model if is_model else missing_run, owner)
        lifecycle: int
        key: int | None = None
        model_key: int | None = None
        if is_model:
            model = models.find(connection, principal.workspace.id, owner)
            if model is None:
                raise missing()
            place, run, lifecycle = model.place, model.row.source_run, model.row.lifecycle
            model_key = model.row.id
        else:
            found = runs.find(connection, principal.workspace.id, owner)
            if found is None:
                raise missing()
            place, run, lifecycle, key = found.place, owner, found.info.lifecycle, found.info.id
        if str(place.experiment) != segments[1] or not in_scope(connection, self._keys, principal, run):
            raise missing()
        admit(principal, permission, place, missing)
        if permission is not Permission.ARTIFACT_READ and lifecycle != Lifecycle.ACTIVE:
            raise InvalidArgument(
                f"The artifacts of {owner} can't be changed: it is deleted; restore it first.", field="path"
            )
        return _Owner(Home(principal, place.experiment, key, owner), model_key)


def _stored_here(uri: str) -> str:
    """The path in the store that an artifact address means."""
    if not uri.startswith(SCHEME):
        raise NotImplementedHere(
            f"These artifacts are at {uri}, which this server doesn't reach; read them there directly."
        )
    return uri[len(SCHEME) :].strip("/")


def _inside(root_uri: str, path: str) -> BlobPath:
    return join(parse_blob_prefix(_stored_here(root_uri)), parse_blob_path(path))
