"""Checks of every request before it is routed."""

from __future__ import annotations

import ipaddress

from starlette.types import Scope

from runyard.server.kernel.errors import PermissionDenied


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LoopbackGuard:
    """Protects a server without login from web pages in the user's own browser.

    A page of any site can make a browser send requests to a loopback address; through DNS rebinding even
    read the answers. So: the Host name must be a loopback one, nothing may come through a proxy, and of
    what a browser marks as coming from another site only the following of a link is answered.
    """

    def __init__(self) -> None:
        self._known_hosts: set[bytes] = set()

    def __call__(self, scope: Scope) -> None:
        host, site, mode = b"", b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
            elif name in _FORWARDED:
                raise PermissionDenied(
                    "This server has no login and takes no requests through a proxy. "
                    "Reach it directly on this machine."
                )
        if site == b"cross-site" and not (mode == b"navigate" and scope["method"] == "GET"):
            raise PermissionDenied("This server has no login and takes no requests from other web sites.")
        if host not in self._known_hosts:
            self._check_host(host)

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1")
        name = text.rsplit(":", 1)[0] if not text.endswith("]") and ":" in text else text
        if not is_loopback(name):
            raise PermissionDenied(
                f"This server has no login and answers only loopback host names, not {name!r}. "
                "Use http://127.0.0.1 or http://localhost on this machine."
            )
        if len(self._known_hosts) < 64:
            self._known_hosts.add(host)


_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"))
