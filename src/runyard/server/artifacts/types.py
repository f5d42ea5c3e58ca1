"""The values that the artifact engine takes and gives. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from runyard.server.artifacts.paths import BlobPath
from runyard.server.kernel.errors import RangeNotSatisfiable

UploadId = NewType("UploadId", str)
"""Names a multipart upload; means something only together with the path that it was made for."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One version of one blob.

    Attributes:
        path: where it is.
        size: bytes.
        modified_ms: when this version was written, milliseconds since the Unix epoch.
        etag: opaque text of visible ASCII without quotes; another version of the blob has another one.
            It is strong: equal tags mean equal bytes.
    """

    path: BlobPath
    size: int
    modified_ms: int
    etag: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a write has done.

    Attributes:
        info: the version that it stored.
        replaced: bytes of the version whose place it took at that moment; None where no blob was.
    """

    info: BlobInfo
    replaced: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing shows: a blob or a folder directly below the folder that was listed.

    Attributes:
        name: the last segment of its path.
        is_dir: whether it is a folder.
        size: bytes; None for a folder.
        modified_ms: when it was written; None for a folder.
    """

    name: str
    is_dir: bool
    size: int | None
    modified_ms: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """A number of blobs and the sum of their sizes in bytes."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class UploadPart:
    """A part of a multipart upload: its number from 1 and the tag that `write_part` gave for it."""

    number: int
    etag: str


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """The value of the header `Content-Range` for a blob of `size` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


_SINGLE_RANGE = re.compile(r"[ \t]*bytes[ \t]*=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*", re.IGNORECASE)
_MAX_DIGITS = 18


def resolve_range(header: str | None, size: int) -> ByteRange | None:
    """What the header `Range` of a request asks of a blob of `size` bytes (RFC 9110, section 14).

    Returns:
        The range, cut to the blob's end; None if the whole blob is to be sent: without the header, with
        one that is malformed, has another unit or names several ranges (all three may be ignored), and
        for an empty blob, because some clients ask every file for `bytes=0-`.

    Raises:
        RangeNotSatisfiable: the range starts at or behind the end, or is a suffix of 0 bytes.
    """
    match = _SINGLE_RANGE.fullmatch(header) if header and size else None
    if match is None:
        return None
    first, last = match[1], match[2]
    if not first:
        return _suffix(last, size) if last else None
    start = _position(first)
    stop = _position(last) + 1 if last else size
    if stop <= start and last:
        return None
    if start >= size:
        raise RangeNotSatisfiable(f"The range starts at byte {start}, but the file has {size} bytes.")
    return ByteRange(start, min(stop, size))


def _suffix(digits: str, size: int) -> ByteRange:
    length = _position(digits)
    if not length:
        raise RangeNotSatisfiable("The range asks for the last 0 bytes; ask for at least 1.")
    return ByteRange(max(0, size - length), size)


def _position(digits: str) -> int:
    """The number, or one behind the end of any file (int() refuses thousands of digits)."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS
