"""What multipart uploads of the local store do on its disk. Synchronous.

    <root>/.runyard-internal/uploads/<upload id>.<hash of the path>/
        <number>.<etag>      a part
        completed.<etag>     remembers, empty, that the version with this tag was made of the upload

The folder's name ties the upload to its path, and a part's name ties it to its content: nothing has to
be read to check either.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress

from runyard.server.artifacts import refusals
from runyard.server.artifacts.disk import Folder, look_up, names_in, open_file
from runyard.server.artifacts.local_files import LocalFiles, describe_version
from runyard.server.artifacts.paths import INTERNAL_SEGMENT, BlobPath
from runyard.server.artifacts.staging import StagedFile
from runyard.server.artifacts.types import BlobInfo, UploadId, UploadPart, Written
from runyard.server.artifacts.uploads import part_mismatch, plain_etag
from runyard.server.kernel.errors import NotFound
from runyard.server.kernel.ids import new_upload_id

_FOLDER = (INTERNAL_SEGMENT, "uploads")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_COMPLETED = "completed."
_MARKER_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_COPY_BYTES = 16 * 1024 * 1024


class LocalUploads:
    """The multipart uploads to the files of one root folder; methods run in the store's threads."""

    def __init__(self, files: LocalFiles) -> None:
        self._files = files

    def create(self, path: BlobPath) -> UploadId:
        self._files.check_writable(path, 0)
        upload = UploadId(new_upload_id())
        with refusals.writing(path), Folder(self._files.root_fd, _names(path, upload), create=True) as folder:
            folder.sync()
        return upload

    def append(self, staged: StagedFile, path: BlobPath, upload: UploadId, data: bytearray) -> None:
        """Writes to a file that is to become a part."""
        with refusals.writing(path):
            if not staged.begun:
                with self._open(path, upload):
                    pass  # refuses an upload that isn't there before all of the part has come
            staged.append(data)

    def keep(self, staged: StagedFile, path: BlobPath, upload: UploadId, number: int, etag: str) -> str:
        """Makes a staged file a part, durably; returns its tag."""
        name = _part_name(number, etag)
        with refusals.writing(path):
            staged.seal()
            with self._open(path, upload) as folder:
                with self._files.names_lock:
                    replaced = look_up(folder.fd, name)
                    staged.move(folder.fd, name)
                if replaced is not None:
                    self._files.give_back(replaced.st_size)
                folder.sync()
        return etag

    def plan(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> BlobInfo | list[str]:
        """Checks that the upload can be completed.

        Returns:
            What was made of it if it was completed before, else the names of the parts' files, in order.
        """
        found = self._look(path, upload, parts)
        if isinstance(found, BlobInfo):
            return found
        self._files.check_writable(path, sum(found.values()))
        return list(found)

    def size(self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]) -> int:
        """How many bytes the parts would join to; 0 when the upload was completed before."""
        found = self._look(path, upload, parts)
        return 0 if isinstance(found, BlobInfo) else sum(found.values())

    def copy(self, staged: StagedFile, path: BlobPath, upload: UploadId, name: str, offset: int) -> int:
        """Writes a slice of a part to a staged file; returns its size, 0 at the part's end.

        Raises:
            FileNotFoundError: the part is gone: the upload was completed or aborted meanwhile.
        """
        with self._open(path, upload) as folder:
            fd = open_file(folder.fd, name)
        if fd is None:
            raise FileNotFoundError(name)
        try:
            with refusals.writing(path):
                return staged.append_from(fd, offset, _COPY_BYTES)
        finally:
            os.close(fd)

    def finish(self, staged: StagedFile, path: BlobPath, upload: UploadId) -> Written:
        """Makes a staged file the blob, and remembers that instead of the parts."""
        written = self._files.publish(staged, path)
        # From here on the blob is there and durable: what fails can only cost room until the next purge.
        with suppress(OSError, NotFound), self._open(path, upload) as folder:
            os.close(os.open(_COMPLETED + written.info.etag, _MARKER_FLAGS, 0o600, dir_fd=folder.fd))
            folder.sync()
            for name in names_in(folder.fd):
                if not name.startswith(_COMPLETED):
                    for _ in self._files.delete_entry(folder.fd, name):
                        pass
        return written

    def drop(self, path: BlobPath, upload: UploadId) -> Generator[int]:
        """Deletes the upload, while it is iterated over; yields the sizes of its files."""
        with suppress(FileNotFoundError, NotFound):
            *folders, name = _names(path, upload)
            with Folder(self._files.root_fd, folders) as folder:
                yield from self._files.delete_entry(folder.fd, name)

    def purge(self, before_ms: int) -> Generator[int]:
        """Deletes the uploads without activity since then, while it is iterated over; yields their sizes."""
        with suppress(FileNotFoundError), Folder(self._files.root_fd, _FOLDER) as folder:
            for name in names_in(folder.fd):
                found = look_up(folder.fd, name)
                if found is None or found.st_mtime_ns >= before_ms * 1_000_000:
                    continue
                yield sum(self._files.delete_entry(folder.fd, name))

    def _look(
        self, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]
    ) -> BlobInfo | dict[str, int]:
        """What was made of an upload, else the parts' files in order with their sizes."""
        with self._open(path, upload) as folder:
            stored = {name: _size(folder.fd, name) for name in names_in(folder.fd)}
        for name in stored:
            if name.startswith(_COMPLETED):
                return describe_version(path, name.removeprefix(_COMPLETED))
        found = {}
        for index, part in enumerate(parts):
            name = _part_name(part.number, plain_etag(part.etag))
            if name not in stored:
                raise part_mismatch(index, part)
            found[name] = stored[name]
        return found

    @contextmanager
    def _open(self, path: BlobPath, upload: UploadId) -> Iterator[Folder]:
        try:
            folder = Folder(self._files.root_fd, _names(path, upload))
        except FileNotFoundError:
            raise refusals.no_upload(path, upload) from None
        with folder:
            yield folder


def _names(path: BlobPath, upload: UploadId) -> tuple[str, ...]:
    if not _UPLOAD_ID.fullmatch(upload):
        raise refusals.no_upload(path, upload)
    digest = hashlib.blake2b(path.encode(), digest_size=16).hexdigest()
    return (*_FOLDER, f"{upload}.{digest}")


def _part_name(number: int, etag: str) -> str:
    return f"{number:05d}.{etag}"


def _size(folder_fd: int, name: str) -> int:
    found = look_up(folder_fd, name)
    return found.st_size if found is not None else 0
