"""Where files are written before they get their names. Synchronous.

    <root>/.runyard-internal/staging/
        lock              held while a process comes or clears away what dead ones left
        <instance>.lock   held by a process as long as it lives
        <instance>/<n>    a file being written

Several processes may share a root, so a start can't just delete all: it deletes what belongs to no
living process. The operating system drops a dead process's locks.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runyard.server.artifacts.disk import Folder, delete_tree, look_up, names_in, write_all
from runyard.server.artifacts.paths import INTERNAL_SEGMENT
from runyard.server.artifacts.quota import Quota
from runyard.server.kernel.ids import new_request_id

_FOLDER = (INTERNAL_SEGMENT, "staging")
_LOCK = "lock"
_LOCK_SUFFIX = ".lock"
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What systems answer that can't copy between these two files by themselves.
_CANT_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_COPY_BYTES = 1024 * 1024


class Staging:
    """The staging folder of one process on one root; made at the first write, so that a full or
    read-only disk can still be read."""

    def __init__(self, root_fd: int, quota: Quota | None) -> None:
        self.root_fd = root_fd
        self.quota = quota
        self._own: Folder | None = None
        self._own_lock_fd = -1
        self._making = threading.Lock()
        self._numbers = itertools.count(1)

    def purge(self) -> None:
        """Deletes what processes left that live no more."""
        try:
            folder = Folder(self.root_fd, _FOLDER)
        except FileNotFoundError:
            return
        with folder, _locked(folder.fd):
            names = {name.removesuffix(_LOCK_SUFFIX) for name in names_in(folder.fd)} - {_LOCK}
            for name in names:
                self._delete_if_dead(folder.fd, name)

    def new_name(self) -> str:
        """A name that no other file in the folder has."""
        return str(next(self._numbers))

    def folder_fd(self) -> int:
        """Descriptor of the folder; makes it if need be."""
        with self._making:
            if self._own is None:
                self._own = self._make()
            return self._own.fd

    def close(self) -> None:
        """Deletes the folder."""
        with self._making:
            if self._own is None:
                return
            *_, name = self._own.names
            self._own.close()
            self._own = None
            with Folder(self.root_fd, _FOLDER) as folder:
                _delete(folder.fd, name)
            os.close(self._own_lock_fd)

    def _make(self) -> Folder:
        name = new_request_id()
        with Folder(self.root_fd, _FOLDER, create=True) as folder, _locked(folder.fd):
            self._own_lock_fd = os.open(name + _LOCK_SUFFIX, _LOCK_FLAGS, 0o600, dir_fd=folder.fd)
            fcntl.flock(self._own_lock_fd, fcntl.LOCK_EX)
            return Folder(self.root_fd, (*_FOLDER, name), create=True)

    def _delete_if_dead(self, fd: int, name: str) -> None:
        lock_fd = os.open(name + _LOCK_SUFFIX, _LOCK_FLAGS, 0o600, dir_fd=fd)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _delete(fd, name)
        finally:
            os.close(lock_fd)


class StagedFile:
    """A file being written; it appears as a whole by `move`, or vanishes by `discard`.

    Its methods run in threads, one at a time. It has no descriptor before the first of them, so that
    one that is made and forgotten costs nothing.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._name = staging.new_name()
        self._fd = -1
        self._taken = 0

    @property
    def begun(self) -> bool:
        """Whether something was written."""
        return self._fd >= 0

    def append(self, data: bytes | bytearray) -> None:
        """Writes the data at the end.

        Raises:
            StorageFull: the configured limit of the store is reached.
            OSError: whatever the system says.
        """
        fd = self._opened()
        self._take(len(data))
        write_all(fd, data)

    def append_from(self, source_fd: int, offset: int, size: int) -> int:
        """Writes up to `size` bytes of another file at the end; errors as in `append`.

        Returns:
            How many were written; 0 only at the other file's end.
        """
        copied = _copy(source_fd, self._opened(), offset, size)
        self._take(copied)
        return copied

    def seal(self, modified_ns: int | None = None) -> os.stat_result:
        """Sets the time of writing (unless None), makes the content durable and describes the file."""
        fd = self._opened()
        if modified_ns is not None:
            os.utime(fd, ns=(modified_ns, modified_ns))
        os.fsync(fd)
        return os.fstat(fd)

    def move(self, folder_fd: int, name: str) -> None:
        """Gives the file its place and name, atomically instead of a file that is there."""
        os.replace(self._name, name, src_dir_fd=self._staging.folder_fd(), dst_dir_fd=folder_fd)
        os.close(self._fd)
        self._fd = -1
        self._taken = 0

    def discard(self) -> None:
        """Deletes the file; does nothing if it was moved or never begun."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            with suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._staging.folder_fd())
        if self._staging.quota is not None:
            self._staging.quota.give_back(self._taken)
        self._taken = 0

    def _opened(self) -> int:
        if self._fd < 0:
            folder_fd = self._staging.folder_fd()
            self._fd = os.open(self._name, _NEW_FILE_FLAGS, 0o600, dir_fd=folder_fd)
        return self._fd

    def _take(self, size: int) -> None:
        if self._staging.quota is not None:
            self._staging.quota.take(size)
            self._taken += size


def _copy(source_fd: int, target_fd: int, offset: int, size: int) -> int:
    if hasattr(os, "copy_file_range"):  # on XFS and btrfs it shares the blocks instead of copying them
        try:
            return os.copy_file_range(source_fd, target_fd, size, offset_src=offset)
        except OSError as error:
            if error.errno not in _CANT_COPY:
                raise
    data = os.pread(source_fd, min(size, _COPY_BYTES), offset)
    write_all(target_fd, data)
    return len(data)


@contextmanager
def _locked(folder_fd: int) -> Iterator[None]:
    fd = os.open(_LOCK, _LOCK_FLAGS, 0o600, dir_fd=folder_fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _delete(fd: int, name: str) -> None:
    if look_up(fd, name) is not None:
        for _ in delete_tree(fd, name, threading.Lock()):
            pass
    os.unlink(name + _LOCK_SUFFIX, dir_fd=fd)
