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


class CrossSiteGuard:
    """Protects whoever is signed in from what other sites make their browser send.

    A browser says which site a request comes from. From another one, only the following of a link is
    answered. A session's cookie changes something only when the browser says that the request is this
    site's own, by Sec-Fetch-Site or, in old browsers, by Origin: what says neither is no page of ours.
    """

    def __call__(self, scope: Scope) -> None:
        found = dict.fromkeys(
            (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"authorization"), b""
        )
        cookie = False
        for name, value in scope["headers"]:
            if name in found:
                found[name] = value
            elif name == b"cookie":
                cookie = True
        site, safe = found[b"sec-fetch-site"], scope["method"] in ("GET", "HEAD", "OPTIONS")
        if site in (b"cross-site", b"same-site") and not (found[b"sec-fetch-mode"] == b"navigate" and safe):
            raise PermissionDenied("This server takes no requests from the pages of other sites.")
        if safe or not cookie or found[b"authorization"]:
            return
        if site in (b"same-origin", b"none"):
            return
        origin = found[b"origin"].partition(b"://")[2]
        if site or not origin or origin != found[b"host"]:
            raise PermissionDenied(
                "A browser's session can change something only from this server's own pages. Programs "
                "send a token instead: 'Authorization: Bearer TOKEN'."
            )


_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"))
