"""The Authorization header of a request."""

from __future__ import annotations

import base64
import binascii

from runyard.server.kernel.errors import Unauthenticated


def parsed(sent: bytes) -> tuple[str | None, str]:
    """Name and secret of an Authorization header; no name with a bearer token.

    A token may come as a password too, which is how a client sends one that stands in an address.
    """
    scheme, _, rest = sent.partition(b" ")
    try:
        if scheme.lower() == b"bearer":
            return None, rest.strip().decode("ascii")
        if scheme.lower() == b"basic":
            name, colon, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            if colon and "\x00" not in name:
                return name, secret or name
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise Unauthenticated(
        "The header 'Authorization' can't be read: it must be 'Bearer TOKEN', or 'Basic' and name:password "
        "in base64."
    )
