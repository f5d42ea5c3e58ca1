"""The only reader of the random source."""

from __future__ import annotations

import base64
import itertools
import os


def new_run_id() -> str:
    """32 lowercase hexadecimal digits, as MLflow's run ids."""
    return os.urandom(16).hex()


def new_model_id() -> str:
    """An MLflow logged model's id: `m-` and 32 hexadecimal digits."""
    return "m-" + os.urandom(16).hex()


# Request ids are made on the hottest path: a random start, then counted.
_PROCESS = os.urandom(4).hex()
_requests = itertools.count(int.from_bytes(os.urandom(3), "big"))


def new_request_id() -> str:
    """16 hexadecimal digits; names a request in logs and error answers. It is unique, not secret."""
    return f"{_PROCESS}{next(_requests) & 0xFFFFFFFF:08x}"


def new_token(prefix: str) -> str:
    """A secret of 256 random bits as letters, digits, `-` and `_`, behind a prefix."""
    return prefix + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def new_key() -> int:
    """A surrogate key that hardly ever comes twice, also when its row is gone; never 0."""
    return 1 + int.from_bytes(os.urandom(8), "big") % (2**53 - 1)


def new_secret_key() -> bytes:
    """32 random bytes for keyed hashes that never leave the process."""
    return os.urandom(32)


def new_upload_id() -> str:
    """32 hexadecimal digits; names a multipart upload."""
    return os.urandom(16).hex()


def new_deletion_id() -> str:
    """32 hexadecimal digits; names files that were deleted together."""
    return os.urandom(16).hex()


def random_below(limit: int) -> int:
    """A uniform integer in [0, limit), for generated names; not for secrets."""
    return int.from_bytes(os.urandom(8), "big") % limit
