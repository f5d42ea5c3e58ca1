"""Requests from any address, as fast as they can be made: what an attacker has."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from starlette.types import Scope

from runyard.server.auth.service import passwords
from tests.api.conftest import Api

NATIVE = "/api/runyard/1/server"
HERE, THERE = "192.0.2.1", "198.51.100.1"


class Try(NamedTuple):
    """A sign-in: through the page's form, or with the request itself."""

    name: str
    password: str
    address: str = HERE
    form: bool = False


def attempt(api: Api, tries: Iterable[Try], *, together: bool = False) -> list[int]:
    """Try them all, one after the other or at once; returns the answers' statuses."""
    return [status for status, _ in answers(api, tries, together=together)]


def answers(api: Api, tries: Iterable[Try], *, together: bool = False) -> list[tuple[int, bytes]]:
    """Like `attempt`, with the bodies."""
    return api.call([_request(t) for t in tries], together=together)


def _request(t: Try) -> tuple[Scope, bytes]:
    headers: list[tuple[bytes, bytes]] = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1")]
    method, path, body = "GET", NATIVE, b""
    if t.form:
        method, path = "POST", "/login"
        body = urlencode({"name": t.name, "password": t.password}).encode()
        headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    else:
        pair = base64.b64encode(f"{t.name}:{t.password}".encode())
        headers.append((b"authorization", b"Basic " + pair))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": (t.address, 1),
        "server": ("127.0.0.1", 80),
    }
    return scope, body


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What argon2 was asked to compare with, from now on."""
    compared: list[str] = []
    matches = passwords.matches

    def counted(stored: str, password: str) -> bool:
        compared.append(stored)
        return matches(stored, password)

    monkeypatch.setattr(passwords, "matches", counted)
    return compared
