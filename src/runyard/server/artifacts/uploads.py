"""Rules of multipart uploads, the same for every backend. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from runyard.server.artifacts.types import UploadPart
from runyard.server.kernel.errors import InvalidArgument

MAX_PART_NUMBER = 10_000
"""As in S3."""


def check_part_number(number: int) -> None:
    """Raises InvalidArgument unless the number is one that a part may have."""
    if not 1 <= number <= MAX_PART_NUMBER:
        raise InvalidArgument(
            f"The part number {number} is not allowed: it has to be from 1 to {MAX_PART_NUMBER}.",
            field="part_number",
        )


def check_parts(parts: Sequence[UploadPart]) -> None:
    """Raises InvalidArgument unless there are parts, with legal numbers, each once and in order."""
    if not parts:
        raise InvalidArgument("The upload has no parts; name at least one.", field="parts")
    previous = 0
    for index, part in enumerate(parts):
        check_part_number(part.number)
        if part.number <= previous:
            raise InvalidArgument(
                f"Part {part.number} comes after part {previous}; name each part once, in ascending order.",
                field=f"parts[{index}].part_number",
            )
        previous = part.number


def part_mismatch(index: int, part: UploadPart) -> InvalidArgument:
    """The error for a part that was never stored, or not with this tag."""
    return InvalidArgument(
        f"Part {part.number} isn't stored with the ETag {part.etag[:80]!r}; upload it again.",
        field=f"parts[{index}].etag",
    )


def new_part_hash() -> hashlib.blake2b:
    """The hash whose hexadecimal digest is a part's tag."""
    return hashlib.blake2b(digest_size=16)


def plain_etag(etag: str) -> str:
    """The tag without the quotes and the weakness mark that HTTP clients and proxies put around it."""
    return etag.removeprefix("W/").strip('"')
