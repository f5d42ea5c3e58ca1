"""What the local store does on its disk: looking up, placing and deleting blobs. Synchronous.

Its methods run in the store's threads, several at a time.
"""

from __future__ import annotations

import itertools
import os
import stat
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from runyard.server.artifacts import refusals
from runyard.server.artifacts.disk import (
    Folder,
    delete_tree,
    find_files,
    in_order,
    look_up,
    move_entry,
    open_file,
    scan,
    sync_folder,
)
from runyard.server.artifacts.paths import INTERNAL_SEGMENT, BlobPath, BlobPrefix
from runyard.server.artifacts.quota import Quota
from runyard.server.artifacts.staging import StagedFile, Staging
from runyard.server.artifacts.types import BlobInfo, Entry, Written
from runyard.server.kernel.clock import now_ms
from runyard.server.kernel.errors import Conflict
from runyard.server.kernel.ids import random_below

# Another process may delete a folder as empty just when a file is to go there; then it is made again.
_PLACE_ATTEMPTS = 20
_STAMPS_PER_MS = 1_000_000


class LocalFiles:
    """The files of one root folder.

    Attributes:
        root_fd: descriptor of the root.
        staging: where files are written before they get their names.
        quota: the configured limit, if there is one.
        names_lock: held while something gets or loses its name, never while bytes move or are synced:
            so the quota counts right, and no folder is deleted as empty just before a file goes there.
    """

    def __init__(self, root: Path, max_bytes: int | None) -> None:
        """Creates the root if it is missing, and clears away what a crash left."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.quota = None if max_bytes is None else Quota(max_bytes)
        self.staging = Staging(self.root_fd, self.quota)
        self.names_lock = threading.Lock()
        self._stamps = itertools.count(random_below(_STAMPS_PER_MS))
        self.staging.purge()
        if self.quota is not None:
            self.quota.recount(sum(found.st_size for _, found in find_files(self.root_fd)))

    def close(self) -> None:
        self.staging.close()
        os.close(self.root_fd)

    def check_writable(self, path: BlobPath, size: int) -> None:
        """Raises what `publish` and writing `size` bytes would raise, as far as that is known before."""
        *folders, name = path.split("/")
        with refusals.writing(path), suppress(FileNotFoundError), Folder(self.root_fd, folders) as folder:
            _check_replaceable(path, look_up(folder.fd, name))
        if self.quota is not None:
            self.quota.check(size)
        disk = os.fstatvfs(self.root_fd)
        if size > disk.f_bavail * disk.f_frsize:
            raise refusals.full()

    def append(self, staged: StagedFile, path: BlobPath, data: bytearray, size_hint: int) -> None:
        """Writes to a file that is to become the blob at `path`."""
        with refusals.writing(path):
            if not staged.begun:
                self.check_writable(path, max(size_hint, len(data)))
            staged.append(data)

    def publish(self, staged: StagedFile, path: BlobPath) -> Written:
        """Makes a staged file the blob at `path`, durably."""
        with refusals.writing(path):
            sealed = staged.seal(self._stamp())
            for _ in range(_PLACE_ATTEMPTS):
                with suppress(FileNotFoundError):
                    replaced = self._place(staged, path)
                    return Written(blob_info(path, sealed), replaced)
        raise _in_the_way(path)

    def stat(self, path: BlobPath) -> BlobInfo:
        *folders, name = path.split("/")
        with refusals.reading(path), Folder(self.root_fd, folders) as folder:
            return blob_info(path, _regular(path, look_up(folder.fd, name)))

    def open(self, path: BlobPath) -> tuple[int, BlobInfo]:
        """Returns a descriptor, which the caller has to close, and what it is of."""
        *folders, name = path.split("/")
        with refusals.reading(path), Folder(self.root_fd, folders) as folder:
            fd = open_file(folder.fd, name)
        if fd is None:
            raise refusals.missing(path)
        return fd, blob_info(path, os.fstat(fd))

    def list(self, prefix: BlobPrefix) -> list[Entry]:
        names = prefix.split("/") if prefix else []
        with suppress(FileNotFoundError, NotADirectoryError), Folder(self.root_fd, names) as folder:
            entries = {entry.name: _entry(entry) for entry in scan(folder.fd)}
            if not prefix:
                entries.pop(INTERNAL_SEGMENT, None)
            return [entry for name in in_order(entries) if (entry := entries[name]) is not None]
        return []

    def walk(self, prefix: BlobPrefix) -> Generator[BlobInfo]:
        """The blobs at or below the prefix, in the order of their paths."""
        for path, found in self._find(prefix):
            yield blob_info(BlobPath(BlobPrefix(path)), found)

    def delete(self, path: BlobPath) -> None:
        *folders, name = path.split("/")
        with refusals.reading(path), ExitStack() as stack:
            with self.names_lock:
                folder = stack.enter_context(Folder(self.root_fd, folders))
                found = _regular(path, look_up(folder.fd, name))
                os.unlink(name, dir_fd=folder.fd)
                left = folder.prune()
            self.give_back(found.st_size)
            sync_folder(left)

    def delete_below(self, path: BlobPath) -> Generator[int]:
        """Deletes the blobs at or below `path`, while it is iterated over; yields their sizes."""
        *folders, name = path.split("/")
        with suppress(FileNotFoundError, NotADirectoryError), Folder(self.root_fd, folders) as folder:
            yield from self.delete_entry(folder.fd, name)
            with self.names_lock:
                left = folder.prune()
            sync_folder(left)

    def delete_entry(self, folder_fd: int, name: str) -> Generator[int]:
        """Deletes whatever has the name in a folder, while it is iterated over; yields files' sizes."""
        for found in delete_tree(folder_fd, name, self.names_lock):
            self.give_back(found.st_size)
            yield found.st_size

    def move(self, source: BlobPath, target: BlobPath, *, alone: bool) -> None:
        """Moves a file, or a folder with all that is in it, in one step."""
        with refusals.writing(target):
            for _ in range(_PLACE_ATTEMPTS):
                with suppress(FileNotFoundError):
                    self._move(source, target, alone)
                    return
        raise _in_the_way(target)

    def give_back(self, size: int) -> None:
        """Tells the quota that `size` bytes of files are gone."""
        if self.quota is not None:
            self.quota.give_back(size)

    def _find(self, prefix: BlobPrefix) -> Generator[tuple[str, os.stat_result]]:
        if not prefix:
            yield from find_files(self.root_fd, skip=INTERNAL_SEGMENT)
            return
        *folders, name = prefix.split("/")
        with suppress(FileNotFoundError, NotADirectoryError), Folder(self.root_fd, folders) as folder:
            found = look_up(folder.fd, name)
            if found is not None and stat.S_ISREG(found.st_mode):
                yield prefix, found
                return
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            Folder(self.root_fd, (*folders, name)) as folder,
        ):
            yield from find_files(folder.fd, f"{prefix}/")

    def _place(self, staged: StagedFile, path: BlobPath) -> int | None:
        """Gives a staged file its name; returns the size of the file that had it."""
        *folders, name = path.split("/")
        with ExitStack() as stack:
            with self.names_lock:
                folder = stack.enter_context(Folder(self.root_fd, folders, create=True))
                try:
                    replaced = look_up(folder.fd, name)
                    _check_replaceable(path, replaced)
                    staged.move(folder.fd, name)
                except BaseException:
                    folder.prune()
                    raise
            if replaced is not None:
                self.give_back(replaced.st_size)
            folder.sync()
        return None if replaced is None else replaced.st_size

    def _move(self, source: BlobPath, target: BlobPath, alone: bool) -> None:
        *folders, name = source.split("/")
        *new_folders, new_name = target.split("/")
        with ExitStack() as stack:
            with self.names_lock:
                try:
                    old = stack.enter_context(Folder(self.root_fd, folders))
                except (FileNotFoundError, NotADirectoryError):
                    return
                if look_up(old.fd, name) is None:
                    return
                new = stack.enter_context(self._folder_for(target, new_folders))
                try:
                    move_entry(old.fd, name, new.fd, new_name, alone=alone)
                except BaseException as error:
                    new.prune()
                    if isinstance(error, FileExistsError):
                        raise refusals.occupied(target, target) from error
                    raise
                left = old.prune()
            new.sync()
            sync_folder(left)

    def _folder_for(self, target: BlobPath, names: Sequence[str]) -> Folder:
        try:
            return Folder(self.root_fd, names, create=True)
        except NotADirectoryError as error:
            raise refusals.occupied(target, str(error.filename)) from error

    def _stamp(self) -> int:
        """The time in nanoseconds; of those only the milliseconds are true, the rest is a counter.

        A file may get the inode number of one that it replaced a moment ago, and a file system's clock
        ticks only every few milliseconds: without this two versions could look the same.
        """
        return now_ms() * _STAMPS_PER_MS + next(self._stamps) % _STAMPS_PER_MS


def blob_info(path: BlobPath, found: os.stat_result) -> BlobInfo:
    """Describes a file as a blob."""
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
    return BlobInfo(path, found.st_size, found.st_mtime_ns // _STAMPS_PER_MS, etag)


def describe_version(path: BlobPath, etag: str) -> BlobInfo:
    """Describes a blob by the tag that `blob_info` gave it once."""
    modified_ns, size, _ = (int(number, 16) for number in etag.split("-"))
    return BlobInfo(path, size, modified_ns // _STAMPS_PER_MS, etag)


def _in_the_way(path: BlobPath) -> Conflict:
    return Conflict(f"The folder of {path!r} is being deleted by others; try again.")


def _regular(path: BlobPath, found: os.stat_result | None) -> os.stat_result:
    if found is None or not stat.S_ISREG(found.st_mode):
        raise refusals.missing(path)
    return found


def _check_replaceable(path: BlobPath, found: os.stat_result | None) -> None:
    if found is None or stat.S_ISREG(found.st_mode):
        return
    raise refusals.is_folder(path) if stat.S_ISDIR(found.st_mode) else refusals.not_a_file(path)


def _entry(entry: os.DirEntry[str]) -> Entry | None:
    if entry.is_dir(follow_symlinks=False):
        return Entry(entry.name, is_dir=True, size=None, modified_ms=None)
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Entry(
        entry.name, is_dir=False, size=found.st_size, modified_ms=found.st_mtime_ns // _STAMPS_PER_MS
    )
