from __future__ import annotations

import pytest

from runyard.server.kernel.errors import PermissionDenied
from runyard.server.web.guards import LoopbackGuard, is_loopback
from tests.unit.server.web.asgi import request

HOST = (b"host", b"127.0.0.1:5000")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "localhost.", "a.localhost", "::1", "[::1]"]
)
def test_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org", "127.0.0.1.example.org", ""],
)
def test_other_machines_too(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", [b"127.0.0.1:5000", b"localhost", b"localhost:1", b"[::1]:5000", b"[::1]"])
def test_loopback_names_are_answered(host: bytes) -> None:
    LoopbackGuard()(request("POST", "/a", headers=[(b"host", host)]))


@pytest.mark.parametrize("host", [b"evil.example:5000", b"192.168.0.1:5000", b"", b"\xff"])
def test_other_names_are_refused(host: bytes) -> None:
    with pytest.raises(PermissionDenied):
        LoopbackGuard()(request("GET", "/a", headers=[(b"host", host)]))


def test_a_request_without_host_is_refused() -> None:
    with pytest.raises(PermissionDenied):
        LoopbackGuard()(request("GET", "/a"))


@pytest.mark.parametrize("name", [b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"])
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
