"""What a blob may be called. Pure: nothing here touches a disk.

A blob path is relative and POSIX-like: segments joined by single slashes, such as
`default/12/ab34/artifacts/model/MLmodel`. Every text that came from outside goes through
`parse_blob_path` or `parse_blob_prefix` once; behind them only `BlobPath` and `BlobPrefix` travel.
"""

from __future__ import annotations

import re
from typing import NewType
from urllib.parse import unquote

from runyard.server.kernel.errors import InvalidArgument

BlobPrefix = NewType("BlobPrefix", str)
"""A checked path of a folder; the empty text is the store's root."""

BlobPath = NewType("BlobPath", BlobPrefix)
"""A checked path of one blob (or of a folder, where a function says so); never empty."""

MAX_PATH_CHARS = 5000
MAX_SEGMENT_BYTES = 255
MAX_SEGMENTS = 128

INTERNAL_SEGMENT = ".runyard-internal"
"""Top-level name that the backends keep for their own files."""

# Percent-decoding is repeated like MLflow's clients and some proxies do it; what is still not plain
# after so many rounds was written to deceive.
_MAX_DECODINGS = 10
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Names such as `step%10%time` are legal as they stand (MLflow 2 makes them): what decoding would make of
# them needs to be harmless, not pretty.
_HARMFUL_CONTROL = re.compile(r"[\x00\r\n]")
_FORBIDDEN_IN_SEGMENT = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")
_DRIVE = re.compile(r"[A-Za-z]:")


def parse_blob_path(text: str) -> BlobPath:
    """Checks the path of a blob and returns it unchanged.

    The path is stored as it is written: `%20` in it stays `%20`. Yet whatever percent-decoding would
    make of it has to be a legal path too, so that no reader that decodes once more can be led astray.

    Raises:
        InvalidArgument: the path is empty, absolute, has an empty segment, `.`, `..`, a backslash, a
            drive letter, a control character or an unpaired surrogate, is longer than
            `MAX_PATH_CHARS`, has a segment above `MAX_SEGMENT_BYTES` or more than `MAX_SEGMENTS`
            segments, or starts with the reserved `INTERNAL_SEGMENT`; also if one of that is true only
            after decoding.
    """
    if len(text) > MAX_PATH_CHARS:
        raise _invalid(text, f"it has {len(text)} characters, the limit is {MAX_PATH_CHARS}")
    _check(text, text)
    if "%" in text:
        _check_decoded(text)
    return BlobPath(BlobPrefix(text))


def parse_blob_prefix(text: str) -> BlobPrefix:
    """Checks the path of a folder; one trailing slash is dropped, and the empty text is the root.

    Raises:
        InvalidArgument: as `parse_blob_path`.
    """
    trimmed = text.removesuffix("/") if text != "/" else text
    return parse_blob_path(trimmed) if trimmed else BlobPrefix("")


def join(prefix: BlobPrefix, name: str) -> BlobPath:
    """The path of `name` in a folder; `name` may hold slashes. The whole is checked.

    Raises:
        InvalidArgument: as `parse_blob_path`.
    """
    return parse_blob_path(f"{prefix}/{name}" if prefix else name)


def is_segment(name: str) -> bool:
    """Whether a blob path may hold this name; what else lies on a disk is not the store's."""
    if _FORBIDDEN_IN_SEGMENT.search(name) or name in ("", ".", ".."):
        return False
    return (name.isascii() or _is_unicode(name)) and not _DRIVE.fullmatch(name)


def _check_decoded(text: str) -> None:
    current = text
    for _ in range(_MAX_DECODINGS):
        decoded = unquote(current)
        if decoded == current:
            return
        _check(decoded, text, control=_HARMFUL_CONTROL)
        current = decoded
    raise _invalid(text, "it is percent-encoded too many times")


def _check(path: str, shown: str, control: re.Pattern[str] = _CONTROL) -> None:
    if not path:
        raise InvalidArgument("The artifact path is empty; name a file.", field="path")
    if found := control.search(path):
        raise _invalid(shown, f"it holds the control character U+{ord(found[0]):04X}")
    if "\\" in path:
        raise _invalid(shown, "it holds a backslash; separate folders with '/'")
    if not path.isascii() and not _is_unicode(path):
        raise _invalid(shown, "it isn't valid Unicode")
    if path.startswith("/"):
        raise _invalid(shown, "it is absolute; it has to be relative")
    segments = path.split("/")
    if len(segments) > MAX_SEGMENTS:
        raise _invalid(shown, f"it has {len(segments)} segments, the limit is {MAX_SEGMENTS}")
    for segment in segments:
        _check_segment(segment, shown)
    # Case is folded because a file system may do that too.
    if segments[0].casefold() == INTERNAL_SEGMENT:
        raise _invalid(shown, f"the name {INTERNAL_SEGMENT!r} is reserved")


def _check_segment(segment: str, shown: str) -> None:
    if not segment:
        raise _invalid(shown, "it has an empty segment; use single slashes, and none at the end")
    if segment in (".", ".."):
        raise _invalid(shown, f"it holds the segment {segment!r}")
    if _DRIVE.fullmatch(segment):
        raise _invalid(shown, f"it holds the drive letter {segment!r}")
    # A character takes at most 4 bytes, so most segments need no encoding to know.
    if 4 * len(segment) > MAX_SEGMENT_BYTES:
        size = len(segment.encode())
        if size > MAX_SEGMENT_BYTES:
            raise _invalid(shown, f"a segment has {size} bytes, the limit is {MAX_SEGMENT_BYTES}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(text: str, reason: str) -> InvalidArgument:
    shown = text if len(text) <= 200 else text[:200] + "..."
    return InvalidArgument(f"The artifact path {shown!r} is not allowed: {reason}.", field="path")
