"""The errors of the engine, worded once for every backend. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from runyard.server.artifacts.paths import BlobPath
from runyard.server.artifacts.types import UploadId
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound, StorageFull


def missing(path: BlobPath) -> NotFound:
    """Nothing is stored there, or a folder is."""
    return NotFound(f"There is no artifact file at {path!r}.", field="path")


def is_folder(path: BlobPath) -> InvalidArgument:
    """A file is to be written where a folder is."""
    return InvalidArgument(
        f"Can't store a file at {path!r}: a folder is there. Choose another name.", field="path"
    )


def blocked(path: BlobPath, ancestor: str) -> InvalidArgument:
    """A file is to be written below something that isn't a folder."""
    return InvalidArgument(
        f"Can't store a file at {path!r}: {ancestor!r} is not a folder. Choose another name.", field="path"
    )


def occupied(path: BlobPath, at: str) -> AlreadyExists:
    """Something is to be moved to where something else is."""
    return AlreadyExists(
        f"Nothing can be moved to {path!r}: {at!r} is there. Delete that first.", field="path"
    )


def not_a_file(path: BlobPath) -> InvalidArgument:
    """A link, device or pipe is where a file is to be written; only a hand beside the store makes these."""
    return InvalidArgument(
        f"Can't store a file at {path!r}: something else than a file is there. Choose another name.",
        field="path",
    )


def name_refused(path: BlobPath) -> InvalidArgument:
    """The disk takes fewer names than the rules of `paths` do."""
    return InvalidArgument(
        f"The disk of the artifact store refuses the name {path!r}. Choose a shorter or plainer one.",
        field="path",
    )


def full() -> StorageFull:
    """No room for what was to be written."""
    return StorageFull("The artifact store is full; nothing was stored. Free some room and try again.")


def no_upload(path: BlobPath, upload: UploadId) -> NotFound:
    """The upload was never made, not for this path, or is over."""
    return NotFound(
        f"There is no multipart upload {upload[:64]!r} for {path!r}; create one.", field="upload_id"
    )


_FULL = (errno.ENOSPC, errno.EDQUOT)
_BAD_NAME = (errno.ENAMETOOLONG, errno.EILSEQ)


@contextmanager
def reading(path: BlobPath) -> Iterator[None]:
    """Turns what the system says of a path where nothing can be found into NotFound."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing(path) from error
    except OSError as error:
        if error.errno in _BAD_NAME:
            raise missing(path) from error
        raise


@contextmanager
def writing(path: BlobPath) -> Iterator[None]:
    """Turns what the system says of a full disk or a path where nothing can be written into our errors."""
    try:
        yield
    except NotADirectoryError as error:
        raise blocked(path, str(error.filename)) from error
    except IsADirectoryError as error:
        raise is_folder(path) from error
    except OSError as error:
        if error.errno in _FULL:
            raise full() from error
        if error.errno in _BAD_NAME:
            raise name_refused(path) from error
        raise
