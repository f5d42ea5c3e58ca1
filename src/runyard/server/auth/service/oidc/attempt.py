"""A sign-in that is on its way to the provider and back, as the visitor's own browser keeps it.

The server keeps nothing of it, so any of its processes can go on with it. What comes back is held against
what the browser has: a `state` that nobody else knows, a `nonce` that the provider's token must hold, and
the PKCE verifier without which the provider's code is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from runyard.server.kernel import clock, ids

LASTS = 10 * 60


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One sign-in on its way.

    Attributes:
        state, nonce, verifier: 256 random bits each.
        goal: where the visitor wants to go then.
        until: when it is too late, in milliseconds since the epoch.
    """

    state: str
    nonce: str
    verifier: str
    goal: str
    until: int


class Seal:
    """Makes attempts and recognizes its own.

    Args:
        secret: what every process of this server knows and nobody else but the provider.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"runyard oidc attempt", "sha256")

    def begin(self, goal: str) -> tuple[Attempt, str]:
        """A new attempt, and what the browser keeps of it."""
        state, nonce, verifier = (ids.new_token("") for _ in range(3))
        attempt = Attempt(state, nonce, verifier, goal, clock.now_ms() + LASTS * 1000)
        content = base64.urlsafe_b64encode(msgspec.json.encode(attempt)).rstrip(b"=")
        return attempt, f"{content.decode()}.{self._of(content)}"

    def find(self, kept: bytes | None, state: str) -> Attempt | None:
        """The attempt that a browser has kept, if it is the one of this state and not too old."""
        content, _, seal = (kept or b"").rpartition(b".")
        if not hmac.compare_digest(self._of(content).encode(), seal):
            return None
        try:
            attempt = msgspec.json.decode(
                base64.urlsafe_b64decode(content + b"=" * (-len(content) % 4)), type=Attempt
            )
        except (binascii.Error, msgspec.DecodeError):
            return None
        same = hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace"))
        return attempt if same and attempt.until > clock.now_ms() else None

    def _of(self, content: bytes) -> str:
        made = hmac.digest(self._key, content, hashlib.sha256)
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
