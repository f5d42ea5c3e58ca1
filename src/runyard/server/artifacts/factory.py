"""From the address of an artifact store to the store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runyard.server.artifacts.base import BlobStore
from runyard.server.artifacts.fake import FakeBlobStore
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.kernel.errors import InvalidArgument

# "with:colon" is a folder's name, but "file:" and "memory:" always start an address.
_SCHEME = re.compile(r"(file|memory|[a-z][a-z0-9+.-]*(?=:/)):", re.IGNORECASE)


def open_store(url: str, *, max_bytes: int | None = None) -> BlobStore:
    """The store at an address, not started yet.

    Args:
        url: a folder's path, absolute or relative to the working directory; an absolute one as
            `file:///path`, percent-encoded; or `memory:` for a store that forgets everything at its end.
        max_bytes: limit of the store's size in bytes; None for none.

    Raises:
        InvalidArgument: the address is of none of these forms.
    """
    match = _SCHEME.match(url)
    if match is None:
        if not url or "\0" in url:
            raise _unknown(url)
        return LocalBlobStore(Path(url), max_bytes=max_bytes)
    scheme = match[1].lower()
    if scheme == "memory" and url[len("memory:") :] in ("", "//"):
        return FakeBlobStore(max_bytes=max_bytes)
    if scheme == "file":
        return LocalBlobStore(_file_path(url), max_bytes=max_bytes)
    raise _unknown(url)


def local_folder(url: str) -> Path | None:
    """The folder that an address names; None where it names none on this machine."""
    match = _SCHEME.match(url)
    if match is None:
        return Path(url)
    return _file_path(url) if match[1].lower() == "file" else None


def _file_path(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path)
    elsewhere = parts.netloc not in ("", "localhost") or not path.startswith("/")
    if elsewhere or "\0" in path or parts.query or parts.fragment:
        raise InvalidArgument(
            f"The artifact store's address {url!r} names no folder of this machine; write file:///path, "
            "with '?' and '#' as %3F and %23.",
            field="artifacts",
        )
    return Path(path)


def _unknown(url: str) -> InvalidArgument:
    shown = url if "@" not in url else url[: url.index(":")] + ":..."  # a password may stand before the @
    return InvalidArgument(
        f"The artifact store's address {shown!r} is not supported; give a folder's path, file:///path or "
        "memory:.",
        field="artifacts",
    )
