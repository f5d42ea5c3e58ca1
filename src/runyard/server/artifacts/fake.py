"""The artifact store in memory: for tests, and for servers that are to forget everything.

It behaves as every other backend, which the conformance suite proves, and holds what it is given in
memory.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from runyard.server.artifacts import refusals
from runyard.server.artifacts.base import READ_BYTES, BlobReader, BlobStore, MultipartUploads
from runyard.server.artifacts.paths import BlobPath, BlobPrefix
from runyard.server.artifacts.quota import Quota
from runyard.server.artifacts.types import BlobInfo, ByteRange, Entry, UploadId, UploadPart, Usage, Written
from runyard.server.artifacts.uploads import (
    check_part_number,
    check_parts,
    new_part_hash,
    part_mismatch,
    plain_etag,
)
from runyard.server.kernel.clock import now_ms
from runyard.server.kernel.ids import new_upload_id


@dataclass(frozen=True, slots=True)
class _Blob:
    info: BlobInfo
    content: bytes


@dataclass(slots=True)
class _Upload:
    path: BlobPath
    active_ms: int
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    completed: BlobInfo | None = None


class FakeBlobStore(BlobStore, MultipartUploads):
    """Blobs in a dictionary.

    Args:
        max_bytes: limit of the sum of all sizes, unfinished writes included; None for none.
    """

    def __init__(self, *, max_bytes: int | None = None) -> None:
        self._blobs: dict[BlobPath, _Blob] = {}
        self._uploads: dict[UploadId, _Upload] = {}
        self._versions = itertools.count(1)
        self._quota = None if max_bytes is None else Quota(max_bytes)

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def write(
        self, path: BlobPath, chunks: AsyncIterable[bytes], *, size_hint: int | None = None
    ) -> Written:
        self._check_writable(path, size_hint or 0)
        content = await self._receive(chunks)
        try:
            return self._put(path, content)
        except BaseException:
            self._give_back(len(content))
            raise

    async def open(self, path: BlobPath) -> BlobReader:
        return _FakeReader(self._get(path))

    async def stat(self, path: BlobPath) -> BlobInfo:
        return self._get(path).info

    async def list(self, prefix: BlobPrefix) -> Sequence[Entry]:
        entries: dict[str, Entry] = {}
        for path, blob in self._at_or_below(prefix):
            if path == prefix:
                continue
            name, _, below = path[len(prefix) + 1 if prefix else 0 :].partition("/")
            if below:
                entries[name] = Entry(name, is_dir=True, size=None, modified_ms=None)
            else:
                entries[name] = Entry(
                    name, is_dir=False, size=blob.info.size, modified_ms=blob.info.modified_ms
                )
        return [entries[name] for name in sorted(entries)]

    async def walk(self, prefix: BlobPrefix) -> AsyncIterator[BlobInfo]:
        for _, blob in sorted(self._at_or_below(prefix), key=lambda item: item[0]):
            yield blob.info

    async def usage(self, prefix: BlobPrefix) -> Usage:
        sizes = [blob.info.size for _, blob in self._at_or_below(prefix)]
        return Usage(len(sizes), sum(sizes))

    async def delete(self, path: BlobPath) -> None:
        self._get(path)
        self._remove(path)

    async def delete_prefix(self, path: BlobPath) -> Usage:
        usage = await self.usage(path)
        for found, _ in list(self._at_or_below(path)):
            self._remove(found)
        return usage

    async def move(self, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
        del alone
        moved = list(self._at_or_below(source))
        if not moved:
            return
        for ancestor in _above(target):
            if ancestor in self._blobs:
                raise refusals.occupied(target, ancestor)
        if any(self._at_or_below(target)):
            raise refusals.occupied(target, target)
        for path, blob in moved:
            place = BlobPath(BlobPrefix(target + path[len(source) :]))
            self._blobs[place] = replace(blob, info=replace(blob.info, path=place))
            del self._blobs[path]

    async def create_upload(self, path: BlobPath) -> UploadId:
        self._check_writable(path, 0)
        upload = UploadId(new_upload_id())
        self._uploads[upload] = _Upload(path, now_ms())
        return upload

    async def write_part(
        self, path: BlobPath, upload: UploadId, number: int, chunks: AsyncIterable[bytes]
    ) -> str:
        check_part_number(number)
        self._get_upload(path, upload)
        content = await self._receive(chunks)
        try:
            found = self._get_upload(path, upload)
        except BaseException:
            self._give_back(len(content))
            raise
        if number in found.parts:
            self._give_back(len(found.parts[number][1]))
        digest = new_part_hash()
        digest.update(content)
        found.parts[number] = (digest.hexdigest(), content)
        found.active_ms = now_ms()
        return digest.hexdigest()

    async def upload_size(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> int:
        check_parts(parts)
        found = self._get_upload(path, upload)
        return 0 if found.completed is not None else sum(map(len, _pieces(found, parts)))

    async def complete_upload(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> Written:
        check_parts(parts)
        found = self._get_upload(path, upload)
        if found.completed is not None:
            return Written(found.completed, found.completed.size)
        whole = b"".join(_pieces(found, parts))
        self._check_writable(path, len(whole))
        self._take(len(whole))
        written = self._put(path, whole)
        found.completed = written.info
        self._drop_parts(found)
        return written

    async def abort_upload(self, path: BlobPath, upload: UploadId) -> bool:
        if upload not in self._uploads or self._uploads[upload].path != path:
            return False
        dropped = self._uploads.pop(upload)
        self._drop_parts(dropped)
        return bool(dropped.parts)

    async def purge_stale_uploads(self, before_ms: int) -> int:
        stale = [upload for upload, found in self._uploads.items() if found.active_ms < before_ms]
        for upload in stale:
            self._drop_parts(self._uploads.pop(upload))
        return len(stale)

    def _get(self, path: BlobPath) -> _Blob:
        if path not in self._blobs:
            raise refusals.missing(path)
        return self._blobs[path]

    def _get_upload(self, path: BlobPath, upload: UploadId) -> _Upload:
        if upload not in self._uploads or self._uploads[upload].path != path:
            raise refusals.no_upload(path, upload)
        return self._uploads[upload]

    def _at_or_below(self, prefix: BlobPrefix) -> Iterator[tuple[BlobPath, _Blob]]:
        for path, blob in self._blobs.items():
            if not prefix or path == prefix or path.startswith(f"{prefix}/"):
                yield path, blob

    def _check_writable(self, path: BlobPath, size: int) -> None:
        for ancestor in _above(path):
            if ancestor in self._blobs:
                raise refusals.blocked(path, ancestor)
        if any(other.startswith(f"{path}/") for other in self._blobs):
            raise refusals.is_folder(path)
        if self._quota is not None:
            self._quota.check(size)

    async def _receive(self, chunks: AsyncIterable[bytes]) -> bytes:
        """The chunks as one; the quota has given the room for them."""
        content = bytearray()
        try:
            async for chunk in chunks:
                self._take(len(chunk))
                content += chunk
        except BaseException:
            self._give_back(len(content))
            raise
        return bytes(content)

    def _put(self, path: BlobPath, content: bytes) -> Written:
        self._check_writable(path, 0)
        info = BlobInfo(path, len(content), now_ms(), f"{next(self._versions):x}")
        replaced = self._remove(path) if path in self._blobs else None
        self._blobs[path] = _Blob(info, content)
        return Written(info, replaced)

    def _remove(self, path: BlobPath) -> int:
        size = self._blobs.pop(path).info.size
        self._give_back(size)
        return size

    def _drop_parts(self, upload: _Upload) -> None:
        self._give_back(sum(len(content) for _, content in upload.parts.values()))
        upload.parts.clear()

    def _take(self, size: int) -> None:
        if self._quota is not None:
            self._quota.take(size)

    def _give_back(self, size: int) -> None:
        if self._quota is not None:
            self._quota.give_back(size)


def _above(path: BlobPath) -> Iterator[str]:
    """The folders that a path lies in, from the top."""
    segments = path.split("/")
    return ("/".join(segments[:depth]) for depth in range(1, len(segments)))


def _pieces(upload: _Upload, parts: Sequence[UploadPart]) -> list[bytes]:
    pieces = []
    for index, part in enumerate(parts):
        etag, content = upload.parts.get(part.number, ("", b""))
        if etag != plain_etag(part.etag):
            raise part_mismatch(index, part)
        pieces.append(content)
    return pieces


class _FakeReader(BlobReader):
    def __init__(self, blob: _Blob) -> None:
        self.info = blob.info
        self._content = blob.content

    async def chunks(self, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        start, stop = (span.start, span.stop) if span else (0, self.info.size)
        for position in range(start, stop, READ_BYTES):
            yield self._content[position : min(position + READ_BYTES, stop)]

    async def close(self) -> None:
        pass
