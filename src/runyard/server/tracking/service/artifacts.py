"""Artifacts of runs and logged models: who owns a path, and what is done with it.

A path is `<workspace>/<experiment>/<run>/artifacts/...` or, for a logged model,
`<workspace>/<experiment>/models/<model>/artifacts/...`. One look-up of its owner decides on every
request: what no run and no model owns can't be written or read.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

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
from runyard.server.auth import Principal
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import InvalidArgument, NotFound, NotImplementedHere
from runyard.server.tracking import rules
from runyard.server.tracking.service.experiments import WORKSPACE_NAME
from runyard.server.tracking.service.runs import missing_run, must_find, refuse_deleted
from runyard.server.tracking.store import models, runs
from runyard.server.tracking.types import Lifecycle

SCHEME = "mlflow-artifacts:/"


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


class Artifacts:
    """Lists, reads, writes and deletes artifacts.

    Args:
        database: where runs and models live.
        store: where the bytes live.
    """

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store

    async def list_of_run(self, principal: Principal, run: str, folder: str) -> Listing:
        """A folder of a run, in any lifecycle."""
        del principal
        info = await self._database.read_point(lambda c: must_find(c, run))
        return await self._list(info.artifact_uri, folder)

    async def list_of_model(self, principal: Principal, model: str, folder: str) -> Listing:
        """A folder of a logged model."""
        del principal
        root = await self._database.read_point(lambda c: _model_root(c, model))
        return await self._list(root, folder)

    async def open_of_run(self, principal: Principal, run: str, path: str) -> BlobReader:
        """A file of a run, opened for reading."""
        del principal
        info = await self._database.read_point(lambda c: must_find(c, run))
        return await self._store.open(_inside(info.artifact_uri, path))

    async def open_of_model(self, principal: Principal, model: str, path: str) -> BlobReader:
        """A file of a logged model, opened for reading."""
        del principal
        root = await self._database.read_point(lambda c: _model_root(c, model))
        return await self._store.open(_inside(root, path))

    async def write_to_run(
        self, principal: Principal, run: str, path: str, chunks: AsyncIterable[bytes]
    ) -> BlobInfo:
        """Store a file of an active run."""
        del principal
        info = await self._database.read_point(lambda c: must_find(c, run))
        refusal = refuse_deleted(run, info.lifecycle)
        if refusal is not None:
            raise refusal
        blob = _inside(info.artifact_uri, path)
        rules.check_upload_path(blob)
        return await self._store.write(blob, chunks)

    async def list_at(self, principal: Principal, path: str) -> Sequence[Entry]:
        """A folder by its whole path."""
        del principal
        prefix = parse_blob_prefix(path)
        await self._owned(prefix, writing=False)
        return await self._store.list(prefix)

    async def open_at(self, principal: Principal, path: str) -> BlobReader:
        """A file by its whole path, opened for reading."""
        del principal
        blob = parse_blob_path(path)
        await self._owned(blob, writing=False)
        return await self._store.open(blob)

    async def write_at(
        self, principal: Principal, path: str, chunks: AsyncIterable[bytes], size: int | None
    ) -> BlobInfo:
        """Store a file by its whole path."""
        del principal
        blob = parse_blob_path(path)
        rules.check_upload_path(blob)
        await self._owned(blob, writing=True)
        return await self._store.write(blob, chunks, size_hint=size)

    async def delete_at(self, principal: Principal, path: str) -> None:
        """Delete a file, or a folder with all that is in it; nothing there is fine."""
        del principal
        blob = parse_blob_path(path.rstrip("/"))
        await self._owned(blob, writing=True)
        await self._store.delete_prefix(blob)

    async def start_upload(self, principal: Principal, path: str) -> UploadId:
        """Begin an upload in parts."""
        del principal
        blob = parse_blob_path(path)
        rules.check_upload_path(blob)
        await self._owned(blob, writing=True)
        return await self._uploads().create_upload(blob)

    async def write_part(
        self, principal: Principal, path: str, upload: UploadId, number: int, chunks: AsyncIterable[bytes]
    ) -> str:
        """Store one part; returns its tag."""
        del principal
        blob = parse_blob_path(path)
        await self._owned(blob, writing=True)
        return await self._uploads().write_part(blob, upload, number, chunks)

    async def complete_upload(
        self, principal: Principal, path: str, upload: UploadId, parts: Sequence[UploadPart]
    ) -> BlobInfo:
        """Join the parts to the file."""
        del principal
        blob = parse_blob_path(path)
        await self._owned(blob, writing=True)
        return await self._uploads().complete_upload(blob, upload, parts)

    async def abort_upload(self, principal: Principal, path: str, upload: UploadId) -> None:
        """Drop an upload and its parts."""
        del principal
        blob = parse_blob_path(path)
        await self._owned(blob, writing=True)
        await self._uploads().abort_upload(blob, upload)

    def _uploads(self) -> MultipartUploads:
        if not isinstance(self._store, MultipartUploads):
            raise NotImplementedHere("This server's artifact store takes no uploads in parts.")
        return self._store

    async def _list(self, root_uri: str, folder: str) -> Listing:
        root = _stored_here(root_uri)
        relative = parse_blob_prefix(folder)
        prefix = parse_blob_prefix(f"{root}/{relative}" if relative else root)
        return Listing(root_uri, relative, await self._store.list(prefix))

    async def _owned(self, path: str, *, writing: bool) -> None:
        """Check that a run or model owns the path, and that it may be written.

        Raises:
            NotFound: nobody owns it.
            InvalidArgument: it isn't the path of anybody's artifacts, or its owner is deleted.
        """
        await self._database.read_point(lambda c: _check_owner(c, path, writing=writing))


def _check_owner(connection: Connection, path: str, *, writing: bool) -> None:
    segments = path.split("/")
    is_model = len(segments) > 3 and segments[2] == "models"
    marker = 4 if is_model else 3
    if len(segments) <= marker or segments[0] != WORKSPACE_NAME or segments[marker] != "artifacts":
        raise InvalidArgument(
            f"'{rules.cut(path)}' isn't a path of artifacts on this server; such paths begin with "
            f"{WORKSPACE_NAME}/<experiment>/<run>/artifacts or "
            f"{WORKSPACE_NAME}/<experiment>/models/<model>/artifacts.",
            field="path",
        )
    owner = segments[marker - 1]
    row = models.find(connection, owner) if is_model else runs.find(connection, owner)
    if row is None or str(row.experiment_id) != segments[1]:
        raise _missing_model(owner) if is_model else missing_run(owner)
    if writing and row.lifecycle != Lifecycle.ACTIVE:
        raise InvalidArgument(
            f"The artifacts of {owner} can't be changed: it is deleted; restore it first.", field="path"
        )


def _missing_model(model: str) -> NotFound:
    return NotFound(f"Logged model with ID '{rules.cut(model)}' not found.", field="model_id")


def _model_root(connection: Connection, model: str) -> str:
    row = models.find(connection, model)
    if row is None:
        raise _missing_model(model)
    return row.artifact_location


def _stored_here(uri: str) -> str:
    """The path in the store that an artifact address means."""
    if not uri.startswith(SCHEME):
        raise NotImplementedHere(
            f"These artifacts are at {uri}, which this server doesn't reach; read them there directly."
        )
    return uri[len(SCHEME) :].strip("/")


def _inside(root_uri: str, path: str) -> BlobPath:
    return join(parse_blob_prefix(_stored_here(root_uri)), parse_blob_path(path))
