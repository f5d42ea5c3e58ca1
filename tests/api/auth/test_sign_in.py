"""The pages at which people get in and out, and the sessions that they begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from runyard import __version__
from runyard.server.auth.service import sessions
from runyard.server.auth.store import tokens
from runyard.server.auth.tables import principal, token
from runyard.server.db import Query
from runyard.server.kernel import clock
from tests.api.auth import people
from tests.api.auth.browser import SESSION, Browser, problem
from tests.api.auth.door import NATIVE
from tests.api.auth.oidc import events
from tests.api.conftest import Api, Reply, serve

HOUR = 3_600_000
_ids = Query(select(principal.c.id).where(principal.c.name == "ann"))
_tokens = Query(select(token.c.hash, token.c.kind))


@pytest.fixture
def secure(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A server that people reach over https."""
    people.add(database_url, "ann", admin=True)
    given = {"data": str(tmp_path), "database": database_url, "public_url": "https://127.0.0.1"}
    with serve(**given) as started:
        yield started


def _pass_time(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    """Let both clocks be so much later."""
    now, monotonic = clock.now_ms, clock.monotonic
    monkeypatch.setattr(clock, "now_ms", lambda: now() + milliseconds)
    monkeypatch.setattr(clock, "monotonic", lambda: monotonic() + milliseconds / 1000)


# Pages


def test_whoever_is_not_signed_in_is_asked_to(browser: Browser) -> None:
    assert browser.get("/").headers["location"] == "/login"
    page = browser.get("/login")
    assert page.status == 200
    text = page.content.decode()
    assert '<label for="name">' in text
    assert 'autocomplete="current-password"' in text
    assert "role=" not in text


def test_whoever_is_signed_in_sees_who_they_are(browser: Browser) -> None:
    browser.sign_in()
    page = browser.get("/").content.decode()
    assert "signed in as <strong>ann</strong>, an administrator" in page
    assert __version__ in page
    assert 'href="/api/openapi.json"' in page
    assert browser.get("/login?next=/x").headers["location"] == "/x"
    assert browser.get(NATIVE).ok()["version"] == __version__


def test_pages_run_nothing_and_are_kept_nowhere(guarded: Api, browser: Browser) -> None:
    browser.sign_in()
    for visitor, path in ((browser, "/"), (Browser(guarded), "/login")):
        reply = visitor.get(path)
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in reply.headers
        text = reply.content.decode()
        assert re.findall(r"<script|\son\w+=|style=|javascript:", text) == []


def test_pages_are_no_part_of_the_api_document(guarded: Api) -> None:
    paths = guarded.get("/api/openapi.json").ok()["paths"]
    assert {"/", "/login", "/logout"} & set(paths) == set()


def test_without_a_login_there_is_none(api: Api) -> None:
    browser = Browser(api)
    page = browser.get("/").content.decode()
    assert "This server has no login" in page
    assert "runyard user add NAME --admin" in page
    assert "http://127.0.0.1" in page
    for reply in (browser.get("/login"), browser.sign_in(), browser.get("/login?next=/")):
        assert (reply.status, reply.headers["location"]) == (303, "/")
        assert SESSION not in browser.cookies


def test_the_first_user_closes_the_door(api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a server that runs without a login
    assert api.get(NATIVE).status == 200
    # When another process makes a user
    people.add(database_url, "ann", admin=True)
    _pass_time(monkeypatch, 1_001)
    # Then
    browser = Browser(api)
    assert browser.get("/").headers["location"] == "/login"
    assert api.get(NATIVE).status == 401
    browser.sign_in()
    assert browser.whoami() == "ann"


# Signing in


@pytest.mark.parametrize("name", ["ann", "ANN", " Ann "])
def test_a_name_and_a_password_begin_a_session(browser: Browser, name: str) -> None:
    reply = browser.sign_in(name, goal="/api/runyard/1/server")
    assert (reply.status, reply.headers["location"]) == (303, "/api/runyard/1/server")
    line = reply.headers["set-cookie"]
    assert re.fullmatch(rf"{SESSION}=rys_[\w-]{{43}}; HttpOnly; Max-Age=604800; Path=/; SameSite=lax", line)
    assert browser.whoami() == "ann"


def test_over_https_the_cookie_is_this_hosts_alone(secure: Api) -> None:
    browser = Browser(secure)
    origin = {"Origin": "https://127.0.0.1"}
    reply = browser.submit("/login", {"name": "ann", "password": people.PASSWORD}, origin)
    line = reply.headers["set-cookie"]
    assert line.startswith(f"__Host-{SESSION}=rys_")
    assert "; Secure" in line
    assert "domain" not in line.lower()
    assert reply.headers["strict-transport-security"].startswith("max-age=")
    assert browser.whoami() == "ann"
    # And one that another host of the domain may have set is none
    given = Browser(secure)
    given.cookies[SESSION] = browser.cookies[f"__Host-{SESSION}"]
    assert given.whoami() is None


def test_a_wrong_password_is_told_and_the_name_kept(browser: Browser) -> None:
    reply = browser.sign_in("ann", "not the password")
    assert reply.status == 401
    assert problem(reply) == "The name or the password is wrong."
    text = reply.content.decode()
    assert 'value="ann"' in text
    assert 'aria-describedby="problem"' in text
    assert "not the password" not in text
    assert browser.cookies == {}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"name": "ann"}', "application/json", 415),
        (b"name=ann&password=x", "multipart/form-data; boundary=x", 415),
        (b"name=ann&password=x", "", 415),
        (b"name=%ff&password=x", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=" % i for i in range(21)), "application/x-www-form-urlencoded", 400),
        (b"name=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 401),
        (b"name=ann&name=bob&password=", "application/x-www-form-urlencoded; charset=utf-8", 401),
    ],
)
def test_what_is_no_such_form_is_refused(guarded: Api, content: bytes, kind: str, status: int) -> None:
    headers = {"Origin": "http://127.0.0.1", "Content-Type": kind}
    assert guarded.request("POST", "/login", content=content, headers=headers).status == status


@pytest.mark.parametrize(("method", "path"), [("GET", "/logout"), ("PUT", "/login"), ("POST", "/")])
def test_other_methods_do_nothing(browser: Browser, method: str, path: str) -> None:
    browser.sign_in()
    headers = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}", "Origin": "http://127.0.0.1"}
    assert browser.api.request(method, path, headers=headers).status == 405
    assert browser.whoami() == "ann"


def test_a_head_has_no_body(guarded: Api) -> None:
    reply = guarded.request("HEAD", "/login")
    assert (reply.status, reply.content) == (200, b"")


# Sessions


def test_no_session_is_stored_as_it_is(browser: Browser, database_url: str) -> None:
    browser.sign_in()
    with people.changing(database_url) as tx:
        ((digest, kind),) = tx.rows(_tokens)
    assert (bytes(digest), kind) == (sessions.digest_of(browser.cookies[SESSION].encode()), 4)


def test_signing_out_ends_the_session(guarded: Api, browser: Browser, database_url: str) -> None:
    browser.sign_in()
    known = browser.cookies[SESSION]
    reply = browser.submit("/logout", {})
    assert (reply.status, reply.headers["location"]) == (303, "/login")
    assert browser.cookies == {}
    # And not only in the browser
    thief = Browser(guarded)
    thief.cookies[SESSION] = known
    assert thief.get(NATIVE).status == 401
    # And both are noted
    assert [event[:3] for event in events(database_url)] == [
        ("login.succeed", "ann", "password"),
        ("logout", "ann", "session"),
    ]
    # And whoever isn't signed in may sign out too
    assert thief.submit("/logout", {}).status == 303


def test_a_session_that_nobody_uses_ends(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.sign_in()
    _pass_time(monkeypatch, 12 * HOUR - 60_000)
    assert browser.whoami() == "ann"
    _create(browser, "in use")
    _pass_time(monkeypatch, 12 * HOUR + 60_000)
    reply = browser.get(NATIVE)
    assert reply.error == (401, "UNAUTHENTICATED")
    assert reply.message == "This session has expired. Sign in again."
    assert browser.get("/").headers["location"] == "/login"


def test_a_session_ends_after_a_week_however_often_it_is_used(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in()
    for i in range(16):  # 160 of 168 hours
        _pass_time(monkeypatch, 10 * HOUR)
        assert browser.whoami() == "ann"
        # What is noted of the session's use is written before this.
        _create(browser, f"e{i}")
    _pass_time(monkeypatch, 9 * HOUR)
    assert browser.whoami() is None


def test_a_new_password_ends_every_session(
    guarded: Api, browser: Browser, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    browser.sign_in()
    other = Browser(guarded)
    other.sign_in("bob")
    assert browser.get(NATIVE).status == 200
    # When another process gives it one
    with people.changing(database_url) as tx:
        tokens.drop_sessions(tx, tx.value(_ids))
    # Then it takes five seconds at most
    _pass_time(monkeypatch, 5_001)
    assert browser.get(NATIVE).status == 401
    assert other.get(NATIVE).status == 200


def test_a_disabled_user_is_out_within_five_seconds(
    browser: Browser, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in()
    assert browser.get(NATIVE).status == 200
    people.disable(database_url, "ann")
    _pass_time(monkeypatch, 5_001)
    reply: Reply = browser.get(NATIVE)
    assert reply.error == (401, "UNAUTHENTICATED")
    assert browser.whoami() is None


def _create(browser: Browser, name: str) -> None:
    headers = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}", "Origin": "http://127.0.0.1"}
    browser.api.request("POST", "/api/2.0/mlflow/experiments/create", {"name": name}, headers=headers).ok()
