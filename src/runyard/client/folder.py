"""The folder where a user's own settings are kept: private files, written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from runyard.client.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

_LOCK = ".lock"


def path(environment: Mapping[str, str]) -> Path:
    """The folder: `$XDG_CONFIG_HOME/runyard`, else `~/.config/runyard`; it need not exist.

    Raises:
        ConfigurationError: this user has no home.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "runyard"
    home = environment.get("HOME", "")
    try:
        return (Path(home) if home else Path.home()) / ".config" / "runyard"
    except RuntimeError:
        raise ConfigurationError(
            "This user has no home folder. Set XDG_CONFIG_HOME, or give everything by RUNYARD_URL and "
            "RUNYARD_TOKEN."
        ) from None


def read(file: Path, *, private: bool = False) -> bytes | None:
    """A file's content; None where there is no such file.

    Args:
        file: which.
        private: whether others being able to read it is an error.

    Raises:
        ConfigurationError: it can't be read, or others can read it and shouldn't.
    """
    try:
        with file.open("rb") as opened:
            if private:
                _check_private(file, os.fstat(opened.fileno()))
            return opened.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(file, "read", error) from error


def write(file: Path, content: bytes) -> None:
    """Replace a file by one that only its owner can read; whoever reads sees the old or the new one.

    Raises:
        ConfigurationError: it can't be written.
    """
    try:
        make(file.parent)
        # mkstemp's files are for their owner only.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(descriptor)
            Path(name).replace(file)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise _failed(file, "written", error) from error


def make(folder: Path) -> None:
    """Make the folder where there is none; others can't look inside."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while reading, changing and writing back: two at once would lose a change.

    Raises:
        ConfigurationError: the folder can't be written.
    """
    try:
        make(folder)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise _failed(folder, "written", error) from error
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_private(file: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":  # its files have other rules
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"{file} belongs to another user, so it isn't used. Remove it.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"Others can read {file}, which holds credentials, so it isn't used. Take their rights away: "
            f"chmod 600 '{file}'; whoever read it has your tokens: revoke them."
        )


def _failed(file: Path, what: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{file} can't be {what}: {(error.strerror or str(error)).lower()}.")
