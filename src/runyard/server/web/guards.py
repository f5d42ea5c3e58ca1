"""Checks of every request before it is routed."""

from __future__ import annotations

import logging

from starlette.types import Scope

from runyard.server.kernel.addresses import is_loopback
from runyard.server.kernel.errors import PermissionDenied

log = logging.getLogger("runyard.web")

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class LoopbackGuard:
    """Protects a server without login from web pages in the user's own browser.

    A page of any site can make a browser send requests to a loopback address; through DNS rebinding even
    read the answers. So: the Host name must be a loopback one, nothing may come through a proxy, of what a
    browser marks as coming from another site only the following of a link is answered, and nothing of what
    it marks as coming from another origin. (A browser that marks neither can send only what a form can, and
    a body is taken only as JSON.)
    """

    def __init__(self) -> None:
        self._known_hosts: set[bytes] = set()

    def __call__(self, scope: Scope) -> None:
        host, origin, site, mode = b"", b"", b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
            elif name in _FORWARDED:
                raise PermissionDenied(
                    "This server has no login and takes no requests through a proxy. "
                    "Reach it directly on this machine."
                )
        if (site == b"cross-site" and not (mode == b"navigate" and scope["method"] == "GET")) or (
            origin and _netloc(origin) != host.lower()
        ):
            raise PermissionDenied("This server has no login and takes no requests from other web sites.")
        if host not in self._known_hosts:
            self._check_host(host)

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1")
        name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
        if not (is_loopback(name or text) and (not colon or port.isdigit())):
            raise PermissionDenied(
                f"This server has no login and answers only loopback host names, not {text[:200]!r}. "
                "Use http://127.0.0.1 or http://localhost on this machine."
            )
        if len(self._known_hosts) < 64:
            self._known_hosts.add(host)


class CrossSiteGuard:
    """Protects whoever is signed in from what other sites make their browser send.

    A browser says which site and which origin a request comes from (`Sec-Fetch-Site`, `Origin`). From
    another one, only the following of a link is answered, whatever credential came along: browsers add
    those that they know by themselves. A session's cookie changes something only when the browser says that
    the request is this site's own: what says nothing is no page of ours.

    Args:
        public_origin: the server's own, as browsers write it; empty where it isn't known, as then any is
            whose host is the one that the request names.
        behind_proxy: whether some proxy is believed; else one that shows up is told of, once.
    """

    def __init__(self, public_origin: str = "", *, behind_proxy: bool = False) -> None:
        self._public = public_origin.encode()
        self._warned = behind_proxy

    def __call__(self, scope: Scope) -> None:
        found, cookie = dict.fromkeys(_TELLING, b""), False
        for name, value in scope["headers"]:
            if name in found:
                found[name] = value
            elif name == b"cookie":
                cookie = True
            elif name == b"x-forwarded-for" and not self._warned:
                self._warn(scope)
        safe, site, origin = scope["method"] in SAFE, found[b"sec-fetch-site"], found[b"origin"]
        linked = safe and found[b"sec-fetch-mode"] == b"navigate"
        if site in (b"cross-site", b"same-site") and not linked:
            raise PermissionDenied("This server takes no requests from the pages of other sites.")
        if origin and not self._is_own(origin, found[b"host"]):
            raise PermissionDenied(
                "This server takes no requests from the pages of other sites. If this page is its own, a "
                "proxy changes the host's name on the way: start the server with --public-url."
            )
        if cookie and not safe and not found[b"authorization"] and not (site or origin):
            raise PermissionDenied(
                "A browser's session can change something only from this server's own pages. Programs "
                "send a token instead: 'Authorization: Bearer TOKEN'."
            )

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        if self._public and _netloc(origin) == _netloc(self._public):
            return origin == self._public
        return _netloc(origin) == host.lower()

    def _warn(self, scope: Scope) -> None:
        self._warned = True
        client = scope.get("client")
        log.warning(
            "requests come through a proxy at %s whose X-Forwarded-For isn't believed, so its visitors share "
            "one limit of sign-ins: add it to --trusted-proxies",
            client[0] if client else "an unknown address",
        )


def require_own_page(scope: Scope) -> None:
    """Let only what a browser sent from this server's own pages pass; for the forms that sign in.

    The guard has refused what comes from other sites. What doesn't say where it comes from is no browser of
    these years, or none at all.

    Raises:
        PermissionDenied: the browser says nothing.
    """
    if not any(name in (b"origin", b"sec-fetch-site") for name, _ in scope["headers"]):
        raise PermissionDenied(
            "This form is for browsers, which say where a request comes from. Programs send a token, or a "
            "name and a password, with each request instead."
        )


def _netloc(origin: bytes) -> bytes:
    """Host and port of an origin; nothing for the origin `null`."""
    return origin.partition(b"://")[2].lower()


_TELLING = (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"authorization")
_FORWARDED = frozenset(
    (
        b"forwarded",
        b"via",
        b"x-real-ip",
        *(b"x-forwarded-" + what for what in (b"for", b"host", b"port", b"prefix", b"proto", b"server")),
    )
)
