"""What a backend of the artifact store is: a small base, and mixins for what only some can do.

The conformance suite in `tests/contract/artifacts` says in full how they behave, on all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from runyard.server.artifacts.paths import BlobPath, BlobPrefix
from runyard.server.artifacts.types import BlobInfo, ByteRange, Entry, UploadId, UploadPart, Usage, Written

WRITE_BYTES = 256 * 1024
"""Small chunks that come in are gathered to about this size before they go to the disk.

A thousand slow clients hold a thousand of them in memory; larger ones were hardly faster."""

READ_BYTES = 256 * 1024
"""Size of the chunks that a reader gives; a slow client holds one or two of them in memory."""


class BlobReader(ABC):
    """One version of a blob, open for reading.

    It keeps showing this version while the blob is replaced or deleted. Use it as an asynchronous
    context manager, or call `close`.

    Attributes:
        info: describes the version.
    """

    info: BlobInfo

    @abstractmethod
    def chunks(self, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The bytes of the span (of the whole blob without one), in chunks of up to `READ_BYTES`.

        Raises:
            Unavailable: the file got shorter than it was, which no store does by itself.
        """

    @abstractmethod
    async def close(self) -> None:
        """Frees what the reader holds; a second call does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class BlobStore(ABC):
    """Stores blobs under relative paths; folders exist only as far as blobs lie in them.

    Every write is all or nothing: until it is done readers see what was there before, and a failure
    (an error from the chunks, a full disk, a crash) leaves just that. Of concurrent writes to one path
    one wins as a whole. Use the store as an asynchronous context manager, or call `start` before
    anything else and `close` at the end.
    """

    @abstractmethod
    async def start(self) -> None:
        """Makes the store ready: creates its root and clears what a crash left behind.

        Raises:
            OSError: the root can't be created or opened.
        """

    @abstractmethod
    async def close(self) -> None:
        """Frees what the store holds, when nothing is in flight any more."""

    @abstractmethod
    async def write(
        self, path: BlobPath, chunks: AsyncIterable[bytes], *, size_hint: int | None = None
    ) -> Written:
        """Stores the chunks as the blob at `path`, in place of one that is there.

        On return the blob is durable. Memory stays flat whatever the size.

        Args:
            size_hint: the size in bytes if it is known, so that a store that is too full can refuse
                at once; the chunks decide.

        Raises:
            InvalidArgument: a folder is at `path`, or a file where a folder of `path` would be.
            StorageFull: there isn't enough room.
            Exception: whatever the chunks raise.
        """

    @abstractmethod
    async def open(self, path: BlobPath) -> BlobReader:
        """Opens the blob for reading.

        Raises:
            NotFound: no blob is at `path` (a folder is none).
        """

    @abstractmethod
    async def stat(self, path: BlobPath) -> BlobInfo:
        """Describes the blob.

        Raises:
            NotFound: no blob is at `path` (a folder is none).
        """

    @abstractmethod
    async def list(self, prefix: BlobPrefix) -> Sequence[Entry]:
        """What lies directly in the folder, sorted by name; nothing if there is no such folder."""

    @abstractmethod
    def walk(self, prefix: BlobPrefix) -> AsyncIterator[BlobInfo]:
        """The blobs at or below `prefix` at any depth, sorted by their paths as texts."""

    @abstractmethod
    async def usage(self, prefix: BlobPrefix) -> Usage:
        """Number and size of the blobs at or below `prefix`."""

    @abstractmethod
    async def delete(self, path: BlobPath) -> None:
        """Deletes the blob, and the folders that it leaves empty.

        Raises:
            NotFound: no blob is at `path` (a folder is none).
        """

    @abstractmethod
    async def delete_prefix(self, path: BlobPath) -> Usage:
        """Deletes the blobs at or below `path`, and the folders that they leave empty.

        Not atomic: after a failure some are gone, and a further call deletes the rest.

        Returns:
            Number and size of what was deleted; zeros if nothing was there.
        """

    @abstractmethod
    async def move(self, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
        """Moves the blobs at or below `source` to the same places at or below `target`, durably.

        It replaces nothing, and does nothing if nothing is at `source`; neither path lies in the other.
        Not atomic where a store can only copy and delete: then readers see blobs at both places or at
        either, and after a failure a further call with the same paths moves the rest.

        Args:
            source: what is moved.
            target: where to.
            alone: nobody else puts anything at `target`. Only then others may write at `source` meanwhile:
                what they write is moved, or stays.

        Raises:
            AlreadyExists: something is at `target`, or a file where a folder of `target` would be;
                nothing was moved.
        """

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class MultipartUploads(ABC):
    """The capability to receive a blob in parts, in any order and at the same time.

    Every call names the path that the upload was made for, so that who may write one path can't meddle
    with the upload to another. Uploads survive a restart.
    """

    @abstractmethod
    async def create_upload(self, path: BlobPath) -> UploadId:
        """Starts an upload.

        Raises:
            InvalidArgument: as in `BlobStore.write`.
        """

    @abstractmethod
    async def write_part(
        self, path: BlobPath, upload: UploadId, number: int, chunks: AsyncIterable[bytes]
    ) -> str:
        """Stores a part durably. A number that was used before may be used again.

        Args:
            number: the place of the part in the blob, from 1 to 10,000, gaps allowed.

        Returns:
            The part's tag, without quotes: a hash of its content. `complete_upload` wants it back.

        Raises:
            NotFound: no such upload for this path.
            InvalidArgument: the number is out of range.
            StorageFull: there isn't enough room.
            Exception: whatever the chunks raise.
        """

    @abstractmethod
    async def upload_size(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> int:
        """How many bytes the parts would join to; 0 after the upload was completed.

        Raises:
            NotFound: no such upload for this path.
            InvalidArgument: as in `complete_upload`.
        """

    @abstractmethod
    async def complete_upload(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> Written:
        """Joins the parts, in the order of their numbers, to the blob at `path`, as `write` would.

        Parts that aren't named are dropped. Repeating the call after it succeeded gives the same version
        and changes nothing, until `purge_stale_uploads` forgets the upload: it replaced then as much as
        it stored.

        Raises:
            NotFound: no such upload for this path.
            InvalidArgument: there are no parts, their numbers don't ascend, or one isn't stored with
                its tag; and as in `write`. The upload stays as it is.
            StorageFull: there isn't enough room for the parts and the whole together.
        """

    @abstractmethod
    async def abort_upload(self, path: BlobPath, upload: UploadId) -> bool:
        """Drops the upload and its parts; does nothing if there is no such upload of this path (any more).

        Returns:
            Whether parts were dropped.
        """

    @abstractmethod
    async def purge_stale_uploads(self, before_ms: int) -> int:
        """Drops the uploads that saw no activity since `before_ms` (Unix time in milliseconds).

        Returns:
            How many were dropped, completed ones that were only remembered included.
        """
