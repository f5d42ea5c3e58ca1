"""Page tokens: opaque to callers, checked when they come back."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from runyard.server.kernel.errors import InvalidArgument

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Any])


def encode_token(kind: str, position: list[Any]) -> str:
    """A token that holds where the next page begins.

    Args:
        kind: what is paged; a token of another kind is refused.
        position: JSON values; floats must be finite.
    """
    return base64.urlsafe_b64encode(_encoder.encode([kind, *position])).decode().rstrip("=")


def decode_token(kind: str, token: str, *, field: str = "page_token") -> list[Any]:
    """The position that `encode_token` was given.

    Raises:
        InvalidArgument: the token isn't one of this kind.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        found = _decoder.decode(raw)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _invalid(field) from error
    if not found or found[0] != kind:
        raise _invalid(field)
    return found[1:]


def _invalid(field: str) -> InvalidArgument:
    return InvalidArgument(
        f"Invalid {field}: it isn't one that this server gave for this search. Start again without it.",
        field=field,
    )
