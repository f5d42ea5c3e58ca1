"""The cookie that carries a browser's session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runyard.server.auth.types import TokenKind

_PREFIX = TokenKind.SESSION.prefix.encode()


class SessionCookie:
    """Names the cookie and finds it.

    Over https it is named so that browsers take it from this very host and over https only: no other host
    of the domain, and nobody on the way, can give a visitor a session of theirs.

    Args:
        https: whether people reach the server over https, even where a proxy hides that from it.
    """

    def __init__(self, *, https: bool = False) -> None:
        self._https = https

    def secure(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request's cookies travel over https."""
        return self._https or scope.get("scheme") == "https"

    def name(self, scope: Mapping[str, Any], purpose: str = "session") -> str:
        """What a request's cookie for a purpose is called."""
        return f"__Host-runyard_{purpose}" if self.secure(scope) else f"runyard_{purpose}"

    def find(self, scope: Mapping[str, Any], purpose: str = "session") -> bytes | None:
        """The value of a request's cookie."""
        name = self.name(scope, purpose).encode()
        for header, value in scope["headers"]:
            if header == b"cookie":
                for part in value.split(b";"):
                    found, _, content = part.strip().partition(b"=")
                    if found == name:
                        return bytes(content)
        return None

    def session(self, scope: Mapping[str, Any]) -> bytes | None:
        """The session's token in a request, if it looks like one."""
        found = self.find(scope)
        return found if found is not None and found.startswith(_PREFIX) else None
