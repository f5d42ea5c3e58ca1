from __future__ import annotations

import pytest

from runyard.server.kernel.errors import PermissionDenied
from runyard.server.web.guards import CrossSiteGuard, LoopbackGuard, require_own_page
from tests.unit.server.web.asgi import request

HOST = (b"host", b"127.0.0.1:5000")


@pytest.mark.parametrize("host", [b"127.0.0.1:5000", b"localhost", b"localhost:1", b"[::1]:5000", b"[::1]"])
def test_loopback_names_are_answered(host: bytes) -> None:
    LoopbackGuard()(request("POST", "/a", headers=[(b"host", host)]))


@pytest.mark.parametrize(
    "host",
    [b"evil.example:5000", b"192.168.0.1:5000", b"127.0.0.1:5000@evil.example", b"127.0.0.1:x", b"", b"\xff"],
)
def test_other_names_are_refused(host: bytes) -> None:
    with pytest.raises(PermissionDenied):
        LoopbackGuard()(request("GET", "/a", headers=[(b"host", host)]))


def test_a_request_without_host_is_refused() -> None:
    with pytest.raises(PermissionDenied):
        LoopbackGuard()(request("GET", "/a"))


@pytest.mark.parametrize(
    "name",
    [b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via"],
)
def test_requests_through_a_proxy_are_refused(name: bytes) -> None:
    with pytest.raises(PermissionDenied, match="proxy"):
        LoopbackGuard()(request("GET", "/a", headers=[HOST, (name, b"10.0.0.1")]))


@pytest.mark.parametrize(
    ("method", "site", "mode", "passes"),
    [
        ("POST", b"same-origin", b"cors", True),
        ("GET", b"none", b"navigate", True),
        ("GET", b"cross-site", b"navigate", True),
        ("GET", b"cross-site", b"no-cors", False),
        ("GET", b"cross-site", b"cors", False),
        ("POST", b"cross-site", b"navigate", False),
    ],
)
def test_other_sites_may_only_link_here(method: str, site: bytes, mode: bytes, passes: bool) -> None:
    scope = request(method, "/a", headers=[HOST, (b"sec-fetch-site", site), (b"sec-fetch-mode", mode)])
    if passes:
        LoopbackGuard()(scope)
    else:
        with pytest.raises(PermissionDenied, match="web sites"):
            LoopbackGuard()(scope)


@pytest.mark.parametrize(
    "origin",
    [b"http://evil.example", b"http://127.0.0.1:8888", b"http://localhost:5000", b"null", b"127.0.0.1:5000"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_origins_may_do_nothing(origin: bytes, method: str) -> None:
    scope = request(method, "/a", headers=[HOST, (b"origin", origin)])
    with pytest.raises(PermissionDenied, match="web sites"):
        LoopbackGuard()(scope)


def test_its_own_origin_is_known() -> None:
    LoopbackGuard()(request("POST", "/a", headers=[HOST, (b"origin", b"http://127.0.0.1:5000")]))


SITE = (b"host", b"ml.example.org")
COOKIE = (b"cookie", b"runyard_session=rys_x")
OWN = (b"origin", b"https://ml.example.org")
EVIL = (b"origin", b"https://evil.example")
BASIC = (b"authorization", b"Basic YTpi")


def _fetch(site: bytes, mode: bytes = b"cors") -> list[tuple[bytes, bytes]]:
    return [(b"sec-fetch-site", site), (b"sec-fetch-mode", mode)]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", []),  # a program without a credential
        ("POST", [BASIC]),
        ("POST", [BASIC, COOKIE]),
        ("GET", [COOKIE]),
        ("POST", [COOKIE, OWN]),
        ("POST", [COOKIE, *_fetch(b"same-origin")]),
        ("POST", [COOKIE, *_fetch(b"none", b"navigate")]),
        ("GET", [COOKIE, *_fetch(b"cross-site", b"navigate")]),
        ("HEAD", [COOKIE, *_fetch(b"cross-site", b"navigate")]),
    ],
)
@pytest.mark.parametrize("public", ["", "https://ml.example.org"])
def test_what_is_no_other_site_passes(method: str, headers: list[tuple[bytes, bytes]], public: str) -> None:
    CrossSiteGuard(public)(request(method, "/a", headers=[SITE, *headers]))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", [COOKIE]),  # an old browser, or somebody who found a cookie
        ("DELETE", [COOKIE]),
        ("POST", [COOKIE, EVIL]),
        ("POST", [EVIL]),  # signing somebody in as somebody else
        ("POST", [BASIC, EVIL]),
        ("GET", [COOKIE, EVIL]),
        ("POST", [COOKIE, (b"origin", b"null")]),
        ("POST", [COOKIE, (b"origin", b"https://ml.example.org.evil.example")]),
        ("POST", [COOKIE, (b"origin", b"https://ml.example.org:8443")]),
        ("POST", [COOKIE, *_fetch(b"cross-site")]),
        ("POST", [COOKIE, OWN, *_fetch(b"cross-site")]),
        ("POST", [BASIC, *_fetch(b"cross-site", b"navigate")]),
        ("POST", [COOKIE, *_fetch(b"same-site")]),
        ("GET", [COOKIE, *_fetch(b"same-site", b"no-cors")]),
        ("GET", [BASIC, *_fetch(b"cross-site", b"no-cors")]),
        ("OPTIONS", [EVIL, *_fetch(b"cross-site")]),
        ("OPTIONS", [EVIL]),
    ],
)
@pytest.mark.parametrize("public", ["", "https://ml.example.org"])
def test_what_other_sites_make_a_browser_send_is_refused(
    method: str, headers: list[tuple[bytes, bytes]], public: str
) -> None:
    with pytest.raises(PermissionDenied):
        CrossSiteGuard(public)(request(method, "/a", headers=[SITE, *headers]))


def test_a_page_that_came_without_https_is_another_site() -> None:
    scope = request("POST", "/a", headers=[SITE, COOKIE, (b"origin", b"http://ml.example.org")])
    CrossSiteGuard()(scope)
    with pytest.raises(PermissionDenied):
        CrossSiteGuard("https://ml.example.org")(scope)


def test_behind_a_proxy_that_changes_the_host_the_public_address_counts() -> None:
    scope = request("POST", "/a", headers=[(b"host", b"127.0.0.1:5000"), COOKIE, OWN])
    with pytest.raises(PermissionDenied, match="--public-url"):
        CrossSiteGuard()(scope)
    CrossSiteGuard("https://ml.example.org")(scope)


def test_a_proxy_that_is_not_believed_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    guard = CrossSiteGuard()
    for _ in range(2):
        guard(request("GET", "/a", headers=[SITE, (b"x-forwarded-for", b"192.0.2.1")]))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "--trusted-proxies" in caplog.text


@pytest.mark.parametrize(("headers", "passes"), [([], False), ([BASIC], False), ([OWN], True)])
def test_a_form_that_signs_in_comes_from_a_page(headers: list[tuple[bytes, bytes]], passes: bool) -> None:
    scope = request("POST", "/login", headers=[SITE, *headers])
    if passes:
        require_own_page(scope)
    else:
        with pytest.raises(PermissionDenied):
            require_own_page(scope)
