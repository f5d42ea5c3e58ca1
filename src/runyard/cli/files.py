"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from runyard.client.errors import NotWritten


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A name to write under; what is there becomes the file when the block ends well.

    Raises:
        NotWritten: it can't be written.
    """
    part = file.with_name(f".{file.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        try:
            yield part
            part.replace(file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise NotWritten(f"{file} can't be written: {(error.strerror or str(error)).lower()}.") from error


def create(part: Path) -> BinaryIO:
    """A new file that its owner alone may read, and that nobody put there beforehand."""

    def private(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    return open(part, "xb", opener=private)


def write_all(target: BinaryIO, pieces: Iterable[bytes]) -> None:
    """Write pieces one after the other."""
    for piece in pieces:
        target.write(piece)
