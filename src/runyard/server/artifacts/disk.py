"""Folders and files below one root, reached only through directory descriptors. Synchronous.

Nothing here follows a symbolic link or hands a path of several segments to the operating system: each
folder is opened relative to the one above it, with O_NOFOLLOW. So no link can lead out of the root, not
even one that is planted at the worst moment, and paths may be longer than the system's limit.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from runyard.server.artifacts.paths import is_segment

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK does nothing to files, but without it a pipe somebody put there would block for ever.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# What file systems answer that give no file a second name.
_CANT_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# Sorting is one call that doesn't let other threads run; runs of this length take about a millisecond.
_RUN_LENGTH = 4096


class Folder:
    """An open folder below a root and the open folders on the way to it; close it after use.

    Attributes:
        names: the segments of its path.
        fd: its descriptor.
    """

    def __init__(self, root_fd: int, names: Sequence[str], *, create: bool = False) -> None:
        """Opens the folder.

        Args:
            root_fd: descriptor of the root; it stays the caller's.
            create: whether to create what is missing.

        Raises:
            FileNotFoundError: it isn't there; also if another process deletes it at this moment.
            NotADirectoryError: on the way lies something else than a folder, for instance a link; the
                attribute `filename` is the path of that.
        """
        self.names = tuple(names)
        self._fds = [root_fd]
        self._first_created = len(self.names)
        try:
            for depth, name in enumerate(self.names):
                self._fds.append(self._enter(name, depth, create=create))
        except BaseException:
            if self._first_created < len(self.names):
                self.prune()
            self.close()
            raise

    @property
    def fd(self) -> int:
        return self._fds[-1]

    def sync(self) -> None:
        """Makes the entries of the folder durable, and those of folders that its opening created."""
        sync_folder(self.fd)
        for fd in self._fds[self._first_created : len(self.names)]:
            sync_folder(fd)

    def prune(self) -> int:
        """Deletes the folder and those above it as far as they are empty, never the root.

        Returns:
            Descriptor of the lowest folder that is left, valid until `close`.
        """
        for depth in reversed(range(len(self._fds) - 1)):
            try:
                os.rmdir(self.names[depth], dir_fd=self._fds[depth])
            except OSError:
                return self._fds[depth + 1]
        return self._fds[0]

    def close(self) -> None:
        """Closes all descriptors but the root's."""
        while len(self._fds) > 1:
            os.close(self._fds.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(self, name: str, depth: int, *, create: bool) -> int:
        parent = self._fds[-1]
        try:
            try:
                return open_folder(parent, name)
            except FileNotFoundError:
                if not create:
                    raise
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
                self._first_created = min(self._first_created, depth)
            return open_folder(parent, name)
        except NotADirectoryError as error:
            raise NotADirectoryError(
                error.errno, "not a folder", "/".join(self.names[: depth + 1])
            ) from error


def open_folder(parent_fd: int, name: str) -> int:
    """Opens a folder in a folder.

    Raises:
        FileNotFoundError: it isn't there.
        NotADirectoryError: it is something else, for instance a link.
    """
    try:
        return os.open(_checked(name), _FOLDER_FLAGS, dir_fd=parent_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "a symbolic link", name) from error
        raise


def sync_folder(fd: int) -> None:
    """Makes the entries of an open folder durable, where the file system knows how to."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what file systems answer that sync no folders, such as CIFS
            raise


def open_file(parent_fd: int, name: str) -> int | None:
    """Opens a file in a folder for reading; None if there is none, or something else than a file."""
    try:
        fd = os.open(_checked(name), _FILE_FLAGS, dir_fd=parent_fd)
    except OSError as error:
        # ELOOP: a link. ENXIO: a socket.
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def look_up(parent_fd: int, name: str) -> os.stat_result | None:
    """Describes whatever has this name in a folder, a link itself and not its target; None if nothing."""
    try:
        return os.stat(_checked(name), dir_fd=parent_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def names_in(fd: int) -> list[str]:
    """The names of all that is in an open folder, in no order."""
    return os.listdir(fd)


def scan(fd: int) -> Iterator[os.DirEntry[str]]:
    """The files and folders in an open folder, in no order; usable as long as the folder is open.

    Links, devices, and names that no blob path may hold are left out: they aren't the store's.
    """
    with os.scandir(fd) as entries:
        for entry in entries:
            if is_segment(entry.name) and (
                entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
            ):
                yield entry


def in_order(texts: Iterable[str]) -> Iterator[str]:
    """The texts sorted, without keeping other threads waiting while it sorts many."""
    runs: list[list[str]] = [[]]
    for text in texts:
        if len(runs[-1]) == _RUN_LENGTH:
            runs[-1].sort()
            runs.append([])
        runs[-1].append(text)
    runs[-1].sort()
    return heapq.merge(*runs)


def find_files(fd: int, prefix: str = "", *, skip: str = "") -> Generator[tuple[str, os.stat_result]]:
    """The files below an open folder at any depth, with `prefix` before their paths.

    They come sorted by their paths as texts: "a-b" before "a/b", since "-" sorts before "/". What
    vanishes meanwhile is left out, and so is the entry `skip` of the folder itself.
    """
    names = (
        f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
        for entry in scan(fd)
        if entry.name != skip
    )
    for name in in_order(names):
        if not name.endswith("/"):
            found = look_up(fd, name)
            if found is not None:
                yield prefix + name, found
            continue
        with suppress(FileNotFoundError, NotADirectoryError):
            below = open_folder(fd, name[:-1])
            try:
                yield from find_files(below, prefix + name)
            finally:
                os.close(below)


def move_entry(from_fd: int, name: str, to_fd: int, new_name: str, *, alone: bool) -> None:
    """Gives a file or folder another place, durable once both folders are synced.

    Args:
        from_fd, name: where it is.
        to_fd, new_name: where it goes to.
        alone: nobody else puts anything at the new place, so that one step is enough; else nobody else may
            put anything at the old one.

    Raises:
        FileNotFoundError: it isn't there.
        FileExistsError: something is at the new place; an empty folder doesn't count where a folder comes.
    """
    found = os.stat(_checked(name), dir_fd=from_fd, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        try:
            os.rename(name, _checked(new_name), src_dir_fd=from_fd, dst_dir_fd=to_fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(errno.EEXIST, "something is there", new_name) from error
            raise
        return
    if alone:
        # What another process puts at the old place a moment before is moved; a moment later, it stays.
        if look_up(to_fd, new_name) is not None:
            raise FileExistsError(errno.EEXIST, "something is there", new_name)
        os.rename(name, _checked(new_name), src_dir_fd=from_fd, dst_dir_fd=to_fd)
        return
    # A rename would replace a file that another process put there a moment ago; a second name doesn't.
    try:
        os.link(name, _checked(new_name), src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except FileExistsError:
        there = look_up(to_fd, new_name)
        if there is None or not os.path.samestat(there, found):  # the same after a kill between both steps
            raise
    except OSError as error:
        if error.errno not in _CANT_LINK:
            raise
        if look_up(to_fd, new_name) is not None:
            raise FileExistsError(errno.EEXIST, "something is there", new_name) from error
        os.rename(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)
        return
    os.unlink(name, dir_fd=from_fd)


def delete_tree(parent_fd: int, name: str, lock: threading.Lock) -> Generator[os.stat_result]:
    """Deletes a file, or a folder with all that is in it, while it is iterated over.

    Links are deleted and not followed. What others put into the folder meanwhile may stay, and so do
    then the folders around it.

    Args:
        lock: held for each single file, so that what is yielded is what was deleted.

    Yields:
        What each deleted file was; nothing for links and the like.
    """
    try:
        fd = open_folder(parent_fd, name)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        yield from _delete_file(parent_fd, name, lock)
        return
    try:
        # All names first: some systems skip entries when a folder changes while it is read.
        with os.scandir(fd) as entries:
            kinds = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for below, is_folder in kinds:
            yield from (delete_tree if is_folder else _delete_file)(fd, below, lock)
    finally:
        os.close(fd)
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent_fd)


def _delete_file(parent_fd: int, name: str, lock: threading.Lock) -> Generator[os.stat_result]:
    with lock:
        found = look_up(parent_fd, name)
        if found is not None:
            os.unlink(name, dir_fd=parent_fd)
    if found is not None and stat.S_ISREG(found.st_mode):
        yield found


def write_all(fd: int, data: bytes | bytearray) -> None:
    """Writes all of the data, however few bytes the system takes at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _checked(name: str) -> str:
    # Paths are checked where they come in. Should one ever slip by, it must not climb here.
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"not the name of an entry of a folder: {name!r}")
    return name
