"""ENGINE: stores blobs under relative paths. It knows nothing of runs, workspaces or MLflow.

`open_store` makes a store from an address; `BlobStore` says what every store does, `MultipartUploads`
what some can do besides. Paths come in through `parse_blob_path` and `parse_blob_prefix`.
"""

from __future__ import annotations

from runyard.server.artifacts.base import BlobReader, BlobStore, MultipartUploads
from runyard.server.artifacts.factory import local_folder, open_store
from runyard.server.artifacts.paths import BlobPath, BlobPrefix, join, parse_blob_path, parse_blob_prefix
from runyard.server.artifacts.types import (
    BlobInfo,
    ByteRange,
    Entry,
    UploadId,
    UploadPart,
    Usage,
    Written,
    resolve_range,
)

__all__ = [
    "BlobInfo",
    "BlobPath",
    "BlobPrefix",
    "BlobReader",
    "BlobStore",
    "ByteRange",
    "Entry",
    "MultipartUploads",
    "UploadId",
    "UploadPart",
    "Usage",
    "Written",
    "join",
    "local_folder",
    "open_store",
    "parse_blob_path",
    "parse_blob_prefix",
    "resolve_range",
]
