from __future__ import annotations

from typing import Any

import pytest

from runyard.server.auth.service.cookies import SessionCookie


def _scope(scheme: str, *cookies: bytes) -> dict[str, Any]:
    return {"scheme": scheme, "headers": [(b"host", b"a"), *((b"cookie", line) for line in cookies)]}


@pytest.mark.parametrize(
    ("https", "scheme", "name"),
    [
        (False, "http", "runyard_session"),
        (False, "https", "__Host-runyard_session"),
        (True, "http", "__Host-runyard_session"),
        (True, "https", "__Host-runyard_session"),
    ],
)
def test_over_https_the_name_binds_the_cookie_to_the_host(https: bool, scheme: str, name: str) -> None:
    cookie, scope = SessionCookie(https=https), _scope(scheme)
    assert cookie.name(scope) == name
    assert cookie.secure(scope) is (https or scheme == "https")


@pytest.mark.parametrize(
    ("cookies", "found"),
    [
        ((b"runyard_session=rys_a",), b"rys_a"),
        ((b"a=b; runyard_session=rys_a;c=d",), b"rys_a"),
        ((b"a=b", b"runyard_session=rys_a"), b"rys_a"),
        ((b"runyard_session=ryp_a",), None),
        ((b"__Host-runyard_session=rys_a",), None),
        ((b"Runyard_session=rys_a",), None),
        ((b"xrunyard_session=rys_a",), None),
        ((b"runyard_session",), None),
        ((), None),
    ],
)
def test_a_session_is_found(cookies: tuple[bytes, ...], found: bytes | None) -> None:
    assert SessionCookie().session(_scope("http", *cookies)) == found


def test_over_https_no_other_name_is_taken() -> None:
    assert SessionCookie().session(_scope("https", b"runyard_session=rys_a")) is None
    assert SessionCookie().session(_scope("https", b"__Host-runyard_session=rys_a")) == b"rys_a"
