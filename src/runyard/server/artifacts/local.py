"""The artifact store in a local folder: every blob is a file, every folder a folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from runyard.server.artifacts.base import READ_BYTES, WRITE_BYTES, BlobReader, BlobStore, MultipartUploads
from runyard.server.artifacts.local_files import LocalFiles
from runyard.server.artifacts.local_uploads import LocalUploads
from runyard.server.artifacts.paths import BlobPath, BlobPrefix
from runyard.server.artifacts.staging import StagedFile
from runyard.server.artifacts.threads import DiskThreads
from runyard.server.artifacts.types import BlobInfo, ByteRange, Entry, UploadId, UploadPart, Usage, Written
from runyard.server.artifacts.uploads import check_part_number, check_parts, new_part_hash
from runyard.server.kernel.errors import Unavailable

_THREADS = 8
# A thousand files take some milliseconds: a hop between threads is cheap against that, and still no
# walk or deletion keeps one of the threads for long.
_BATCH = 1000


class LocalBlobStore(BlobStore, MultipartUploads):
    """Blobs as files below a root folder, for one machine or several on a shared file system.

    A write goes to a file in a staging folder, is synced, renamed, and the folders that changed are
    synced. Nothing follows symbolic links below the root. Whether names that differ only in case are
    different is the file system's choice.

    Args:
        root: the folder; created if it is missing. All of it has to be on one file system.
        max_bytes: limit of the sum of all files' sizes, unfinished ones included; None for none. Each
            process counts for itself, see `Quota`.
    """

    def __init__(self, root: Path, *, max_bytes: int | None = None) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._threads = DiskThreads(_THREADS)
        self._files: LocalFiles
        self._uploads: LocalUploads

    async def start(self) -> None:
        self._files = await self._threads.run(LocalFiles, self._root, self._max_bytes)
        self._uploads = LocalUploads(self._files)

    async def close(self) -> None:
        await self._threads.run(self._files.close)
        await self._threads.close()

    async def write(
        self, path: BlobPath, chunks: AsyncIterable[bytes], *, size_hint: int | None = None
    ) -> Written:
        files = self._files

        def append(data: bytearray) -> None:
            files.append(staged, path, data, size_hint or 0)

        def finish(rest: bytearray) -> Written:
            append(rest)
            return files.publish(staged, path)

        async with self._staged() as staged:
            rest = await self._threads.feed(chunks, append, WRITE_BYTES)
            return await self._threads.run(finish, rest)

    async def open(self, path: BlobPath) -> BlobReader:
        return await self._threads.run(_LocalReader, path, self._files, self._threads)

    async def stat(self, path: BlobPath) -> BlobInfo:
        return await self._threads.run(self._files.stat, path)

    async def list(self, prefix: BlobPrefix) -> Sequence[Entry]:
        return await self._threads.run(self._files.list, prefix)

    async def walk(self, prefix: BlobPrefix) -> AsyncIterator[BlobInfo]:
        async with aclosing(self._threads.batches(self._files.walk(prefix), _BATCH)) as batches:
            async for batch in batches:
                for info in batch:
                    yield info

    async def usage(self, prefix: BlobPrefix) -> Usage:
        return await self._sum(info.size for info in self._files.walk(prefix))

    async def delete(self, path: BlobPath) -> None:
        await self._threads.run(self._files.delete, path)

    async def delete_prefix(self, path: BlobPath) -> Usage:
        return await self._sum(self._files.delete_below(path))

    async def move(self, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
        await self._threads.run(self._files.move, source, target, alone=alone)

    async def create_upload(self, path: BlobPath) -> UploadId:
        return await self._threads.run(self._uploads.create, path)

    async def write_part(
        self, path: BlobPath, upload: UploadId, number: int, chunks: AsyncIterable[bytes]
    ) -> str:
        check_part_number(number)
        uploads = self._uploads
        digest = new_part_hash()

        def append(data: bytearray) -> None:
            uploads.append(staged, path, upload, data)
            digest.update(data)

        def finish(rest: bytearray) -> str:
            append(rest)
            return uploads.keep(staged, path, upload, number, digest.hexdigest())

        async with self._staged() as staged:
            rest = await self._threads.feed(chunks, append, WRITE_BYTES)
            return await self._threads.run(finish, rest)

    async def upload_size(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> int:
        check_parts(parts)
        return await self._threads.run(self._uploads.size, path, upload, parts)

    async def complete_upload(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> Written:
        check_parts(parts)
        plan = await self._threads.run(self._uploads.plan, path, upload, parts)
        if isinstance(plan, BlobInfo):
            return Written(plan, plan.size)
        try:
            return await self._join(path, upload, plan)
        except FileNotFoundError:
            # An impatient client has sent the request twice, and the other one was faster.
            done = await self._threads.run(self._uploads.plan, path, upload, parts)
            if isinstance(done, BlobInfo):
                return Written(done, done.size)
            raise

    async def abort_upload(self, path: BlobPath, upload: UploadId) -> bool:
        return (await self._sum(self._uploads.drop(path, upload))).files > 0

    async def purge_stale_uploads(self, before_ms: int) -> int:
        return (await self._sum(self._uploads.purge(before_ms))).files

    async def _join(self, path: BlobPath, upload: UploadId, part_names: Iterable[str]) -> Written:
        uploads = self._uploads
        async with self._staged() as staged:
            for name in part_names:
                offset = 0
                while copied := await self._threads.run(uploads.copy, staged, path, upload, name, offset):
                    offset += copied
            return await self._threads.run(uploads.finish, staged, path, upload)

    async def _sum(self, sizes: Generator[int]) -> Usage:
        files = total = 0
        async with aclosing(self._threads.batches(sizes, _BATCH)) as batches:
            async for batch in batches:
                files += len(batch)
                total += sum(batch)
        return Usage(files, total)

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[StagedFile]:
        """A file to write to, which is gone in the end unless it was given its place."""
        staged = StagedFile(self._files.staging)
        try:
            yield staged
        finally:
            if staged.begun:
                await self._threads.run(staged.discard)


class _LocalReader(BlobReader):
    """Holds an open descriptor; or, of a small file, the whole content, so that one hop does."""

    _fd = -1

    def __init__(self, path: BlobPath, files: LocalFiles, threads: DiskThreads) -> None:
        """Opens the blob; to be called in a thread."""
        self._threads = threads
        self._fd, self.info = files.open(path)
        self._content: bytes | None = None
        if self.info.size <= READ_BYTES:
            self._content = self._read(0, self.info.size)
            self._close()

    async def chunks(self, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        position, stop = (span.start, span.stop) if span else (0, self.info.size)
        while position < stop:
            length = min(READ_BYTES, stop - position)
            if self._content is not None:
                data = self._content[position : position + length]
            else:
                data = await self._threads.run(self._read, position, length)
            position += length
            yield data

    async def close(self) -> None:
        if self._fd >= 0:  # closing may take long: it frees the blocks of a file deleted meanwhile
            await self._threads.run(self._close)

    def __del__(self) -> None:
        self._close()  # one that got lost, as when its opening was cancelled

    def _read(self, position: int, length: int) -> bytes:
        data = os.pread(self._fd, length, position)
        if len(data) < length:
            raise Unavailable(f"The artifact file {self.info.path!r} became shorter while it was read.")
        return data

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
