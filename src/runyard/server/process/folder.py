"""The data folder belongs to one server at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runyard.server.process.errors import StartError

LOCK = "runyard.lock"
OTHER_FOLDER = "Stop that one, or start this one with another --data."

# What a group and all others may do.
_READ, _ENTER = 0o044, 0o011


def make(folder: Path) -> None:
    """Make the data folder where there is none; only its owner may look inside.

    Raises:
        StartError: it can't be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"The data folder {folder} can't be made: {_reason(error)}. Give another one with --data."
        ) from error


@contextmanager
def locked(file: Path, what: str, instead: str = OTHER_FOLDER) -> Iterator[None]:
    """Hold a lock file for as long as this process needs what it stands for.

    The operating system lets go of it when the process ends, however it ends. The file stays, with the
    process id of its last holder in it: deleting it would let two processes hold two files of one name.

    Args:
        file: the lock file; its folder exists.
        what: what it stands for, for the message: `The data folder /x`.
        instead: what to do while a server holds it, for the message.

    Raises:
        StartError: another process holds it, or the folder can't be written.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"{what} can't be used: {_reason(error)} ({file}).") from error
    try:
        _take(descriptor, file, what, instead)
        yield
    finally:
        os.close(descriptor)


def readable_by_others(*files: Path) -> list[Path]:
    """Those of the files and folders that others on this machine may read, or look into.

    What is made here belongs to its owner alone, but it may have been put there: from a backup, or with a
    mode that somebody has chosen.
    """
    return [file for file in files if _is_open(file) and file.parent.stat().st_mode & _ENTER]


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & _READ)
    except OSError:
        return False


def _take(descriptor: int, file: Path, what: str, instead: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        raise StartError(
            f"{what} is in use by a Runyard server (process {holder or 'unknown'}). {instead}"
        ) from error
    except OSError as error:
        raise StartError(f"{what} can't be locked: {_reason(error)} ({file}).") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except OSError as error:
        raise StartError(f"{what} can't be written: {_reason(error)} ({file}).") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
