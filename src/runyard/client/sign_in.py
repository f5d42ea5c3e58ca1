"""Signing in through the browser: an authorization code with PKCE (RFC 7636) for a native app (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from runyard.client.http import NATIVE, Http, Object

PAGE = "/cli"


class Offer(msgspec.Struct):
    """How people sign in to a server.

    Attributes:
        login_required: false where it has no login at all.
        provider: the host of the provider at which they can; None without one.
        max_days: the most days that a token lives.
    """

    login_required: bool = True
    provider: str | None = None
    max_days: int = 0


def offer(http: Http) -> Offer:
    """Ask a server how people sign in to it.

    Raises:
        ClientError: see `errors`.
    """
    found: Offer = http.get(f"{NATIVE}/login", kind=Offer)
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in on its way: what comes back must have the state, and is worth a token with the verifier."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def address(self, url: str, name: str, *, days: int | None = None, port: int | None = None) -> str:
        """Where in the browser somebody lets this program in.

        Args:
            url: the server.
            name: what the token is called.
            days: until it expires; None for the server's choice.
            port: of 127.0.0.1, where the answer is awaited; None to carry it over by hand.
        """
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        given = {"challenge": challenge, "state": self.state, "name": name, "days": days, "port": port}
        query = urlencode({key: value for key, value in given.items() if value is not None})
        return f"{url}{PAGE}?{query}"

    def exchange(self, http: Http, code: str) -> Object:
        """Change the code that came back for a token; its `token` is the secret.

        Raises:
            ClientError: see `errors`.
        """
        made: Object = http.post(f"{NATIVE}/tokens/exchange", {"code": code, "verifier": self.verifier})
        return made
