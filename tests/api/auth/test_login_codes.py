"""The command line signs in through the browser: what people see, what comes back, what it is good for."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from runyard.server.auth.tables import login_code
from runyard.server.db import Query
from runyard.server.kernel import clock
from tests.api.auth import people
from tests.api.auth.browser import Browser
from tests.api.auth.cli import EXCHANGE, PORT, STATE, VERIFIER, address, approve, asking, code_of, exchange
from tests.api.auth.oidc import events
from tests.api.auth.team import DAY, NATIVE, opened
from tests.api.conftest import Api, serve

WHOAMI = f"{NATIVE}/whoami"
_count = Query(select(func.count()).select_from(login_code))


def _codes(database_url: str) -> int:
    with people.changing(database_url) as tx:
        found: int = tx.value(_count)
        return found


def _later(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    now = clock.now_ms
    monkeypatch.setattr(clock, "now_ms", lambda: now() + milliseconds)


# The way there and back


def test_whoever_is_not_signed_in_signs_in_first(browser: Browser) -> None:
    # Given an address that the command line wrote
    reply = browser.get(address())
    # When somebody who isn't signed in follows it, then they sign in and come back to it
    assert reply.status == 303
    goal = parse_qs(urlsplit(reply.headers["location"]).query)["next"][0]
    assert goal.startswith("/cli?")
    back = browser.sign_in("bob", goal=goal)
    assert back.headers["location"] == goal
    page = browser.get(back.headers["location"]).content.decode()
    assert "<bdi>runyard on laptop</bdi>" in page
    assert "<dd>bob</dd>" in page
    assert "30 days" in page


def test_an_approval_makes_a_token_that_opens(guarded: Api, browser: Browser, database_url: str) -> None:
    # Given
    browser.sign_in()
    # When
    reply = approve(browser)
    # Then the answer goes to this machine alone
    assert reply.status == 303
    to = urlsplit(reply.headers["location"])
    assert (to.scheme, to.netloc, to.path) == ("http", f"127.0.0.1:{PORT}", "/")
    told = parse_qs(to.query)
    assert told == {"code": [code_of(reply)], "state": [STATE]}
    assert reply.headers["cache-control"] == "no-store"
    # And the code is worth a token
    made = exchange(guarded, told["code"][0]).ok()
    assert (made["kind"], made["owner"], made["name"]) == ("personal", "ann", "runyard on laptop")
    assert made["workspace"] is None
    assert made["expiry_time"] - made["creation_time"] == 30 * DAY
    assert guarded.as_(made["token"]).get(WHOAMI).ok()["credential"] == "personal token runyard on laptop"
    # And how it was made is noted
    action, actor, credential, detail = events(database_url)[-1]
    assert (action, actor, credential) == ("token.create", "ann", "login code")
    assert (detail["owner"], detail["approved_at"]) == ("ann", "127.0.0.1")
    assert made["token"] not in str(events(database_url))


def test_without_a_port_the_code_is_shown(guarded: Api, browser: Browser) -> None:
    browser.sign_in("bob")
    reply = approve(browser, port=None)
    assert reply.status == 200
    assert "location" not in reply.headers
    assert "Give it to nobody" in reply.content.decode()
    assert exchange(guarded, code_of(reply)).ok()["owner"] == "bob"


@pytest.mark.parametrize("answer", ["deny", "", "Approve", "yes"])
def test_anything_but_an_approval_gives_no_code(browser: Browser, database_url: str, answer: str) -> None:
    browser.sign_in()
    reply = approve(browser, answer)
    to = urlsplit(reply.headers["location"])
    assert (to.netloc, parse_qs(to.query)) == (
        f"127.0.0.1:{PORT}",
        {"error": ["access_denied"], "state": [STATE]},
    )
    shown = approve(browser, answer, port=None)
    assert "No token was made" in shown.content.decode()
    assert _codes(database_url) == 0


def test_a_sign_out_on_the_way_asks_to_sign_in(browser: Browser, database_url: str) -> None:
    reply = browser.submit("/cli", {**asking(), "answer": "approve"})
    assert reply.status == 303
    assert reply.headers["location"].startswith("/login?next=%2Fcli%3F")
    assert _codes(database_url) == 0


def test_without_a_login_there_is_nothing_to_let_in(api: Api) -> None:
    browser = Browser(api)
    assert browser.get(address()).headers["location"] == "/"
    assert browser.submit("/cli", {**asking(), "answer": "approve"}).headers["location"] == "/"
    assert api.get(f"{NATIVE}/login").ok() == {"login_required": False, "provider": None, "max_days": 366}


def test_anybody_may_ask_how_people_sign_in(guarded: Api) -> None:
    found = guarded.get(f"{NATIVE}/login").ok()
    assert found == {"login_required": True, "provider": None, "max_days": 366}


# What the page says


def test_the_page_runs_nothing_is_framed_by_nothing_and_leads_to_the_port_alone(browser: Browser) -> None:
    browser.sign_in()
    for given, leads in (({}, f"form-action 'self' http://127.0.0.1:{PORT};"), ({"port": None}, "'self';")):
        headers = browser.get(address(**given)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert f"form-action 'self' http://127.0.0.1:{PORT};" in policy or given
        assert leads in policy
        assert "script" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


def test_what_a_program_calls_itself_is_text(browser: Browser) -> None:
    browser.sign_in()
    page = browser.get(address(name='<b>"x"</b>')).content.decode()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"challenge": None}, "isn't one that `runyard login` writes"),
        ({"challenge": "x" * 42}, "isn't one that"),
        ({"challenge": "x" * 42 + "="}, "isn't one that"),
        ({"state": None}, "isn't one that"),
        ({"state": "short"}, "isn't one that"),
        ({"state": "s" * 22 + "&code=x"}, "isn't one that"),
        ({"state": "s" * 129}, "isn't one that"),
        ({"name": None}, "needs a name"),
        ({"name": " "}, "needs a name"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "a\tb"}, "control character"),
        ({"days": 0}, "1 to 366"),
        ({"days": 367}, "1 to 366"),
        ({"days": "x"}, "whole number"),
        ({"port": 0}, "1024 to 65535"),
        ({"port": 80}, "1024 to 65535"),
        ({"port": 65536}, "1024 to 65535"),
        ({"port": "-1"}, "whole number"),
        ({"port": "4e4"}, "whole number"),
        ({"port": "４０１２３"}, "whole number"),
        ({"port": "40123@evil.example"}, "whole number"),
        ({"port": "40123/../x"}, "whole number"),
    ],
)
def test_what_is_no_such_address_is_told(
    browser: Browser, database_url: str, given: dict[str, Any], told: str
) -> None:
    browser.sign_in()
    shown = browser.get(address(**given))
    sent = browser.submit("/cli", {**asking(**given), "answer": "approve"})
    for reply in (shown, sent):
        assert reply.status == 400
        assert told in reply.content.decode().replace("&#39;", "'")
        assert "evil.example:" not in reply.headers.get("content-security-policy", "")
        assert "location" not in reply.headers
    assert _codes(database_url) == 0


# What a code is good for


def test_a_code_is_good_once(guarded: Api, browser: Browser, database_url: str) -> None:
    browser.sign_in()
    code = code_of(approve(browser))
    exchange(guarded, code).ok()
    again = exchange(guarded, code)
    assert again.error == (401, "UNAUTHENTICATED")
    assert "used already" in again.message
    assert _codes(database_url) == 0


def test_a_session_has_one_code_at_a_time(guarded: Api, browser: Browser, database_url: str) -> None:
    browser.sign_in()
    other = Browser(guarded)
    other.sign_in("bob")
    of_other = code_of(approve(other))
    codes = [code_of(approve(browser)) for _ in range(3)]
    assert _codes(database_url) == 2
    assert [exchange(guarded, code).status for code in (*codes, of_other)] == [401, 401, 200, 200]


def test_of_many_at_once_one_gets_the_token(guarded: Api, browser: Browser) -> None:
    browser.sign_in()
    code = code_of(approve(browser))
    replies = guarded.together([("POST", EXCHANGE, {"code": code, "verifier": VERIFIER})] * 8)
    assert sorted(reply.status for reply in replies) == [200, *[401] * 7]


def test_any_process_takes_the_code_of_another(postgresql_url: str, tmp_path: Path) -> None:
    # Given two processes of one server
    people.add(postgresql_url, "ann", admin=True)
    data = str(tmp_path)
    with serve(data=data, database=postgresql_url) as one, serve(data=data, database=postgresql_url) as other:
        browser = Browser(one)
        browser.sign_in()
        code = code_of(approve(browser))
        # When both are asked at once, then one of them gives the token
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda api: exchange(api, code).status, (one, other)))
        assert sorted(found) == [200, 401]


def test_a_code_is_good_for_three_minutes(
    guarded: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in()
    other = Browser(guarded)
    other.sign_in("bob")
    soon, late = code_of(approve(browser)), code_of(approve(other))
    with monkeypatch.context() as patched:
        _later(patched, 3 * 60_000 - 5_000)
        assert exchange(guarded, soon).status == 200
    _later(monkeypatch, 3 * 60_000)
    assert exchange(guarded, late).error == (401, "UNAUTHENTICATED")


def test_without_the_verifier_a_code_is_worth_nothing_from_then_on(
    guarded: Api, browser: Browser, database_url: str
) -> None:
    # Given a code that a thief has seen
    browser.sign_in()
    code = code_of(approve(browser))
    # When the thief tries it
    assert exchange(guarded, code, "w" * 43).error == (401, "UNAUTHENTICATED")
    # Then that is noted, and nobody gets a token by it any more
    assert exchange(guarded, code).status == 401
    assert [event[:3] for event in events(database_url)][-1] == ("login.fail", "nobody", "login code")
    assert guarded.as_(password=("ann", people.PASSWORD)).get(f"{NATIVE}/tokens").ok()["items"][1:] == []


def test_the_challenge_itself_is_no_verifier(guarded: Api, browser: Browser) -> None:
    browser.sign_in()
    asked = asking()
    for verifier in (asked["challenge"], "", "v" * 42):
        assert exchange(guarded, code_of(approve(browser)), verifier).status == 401


def test_a_code_stands_for_who_gave_it_whoever_changes_it(guarded: Api) -> None:
    # Given a code of bob's, for a program of bob's
    ann, bob = Browser(guarded), Browser(guarded)
    ann.sign_in()
    bob.sign_in("bob")
    code = code_of(approve(bob, verifier="b" * 43))
    # When ann's program is given it, then it is none of hers
    assert exchange(guarded, code).status == 401
    # And a credential that comes along changes nothing
    code = code_of(approve(bob, verifier="b" * 43))
    made = guarded.as_(password=("ann", people.PASSWORD)).post(EXCHANGE, {"code": code, "verifier": "b" * 43})
    assert made.ok()["owner"] == "bob"


@pytest.mark.parametrize("end", ["sign out", "disabled"])
def test_a_code_ends_with_its_session(guarded: Api, browser: Browser, database_url: str, end: str) -> None:
    browser.sign_in()
    code = code_of(approve(browser))
    if end == "disabled":
        people.disable(database_url, "ann")
    else:
        browser.submit("/logout", {})
    assert exchange(guarded, code).error == (401, "UNAUTHENTICATED")


def test_no_code_is_stored_as_it_is(browser: Browser, database_url: str) -> None:
    browser.sign_in()
    code = code_of(approve(browser))
    with people.changing(database_url) as tx:
        (row,) = tx.rows(Query(select(*login_code.c)))
    assert code.encode() not in bytes(row[0]) + bytes(row[1])
    assert code not in str(row)
    assert len(bytes(row[0])) == 32


def test_codes_that_nobody_took_are_deleted(
    guarded: Api, browser: Browser, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    browser.sign_in()
    approve(browser)
    assert _codes(database_url) == 1
    # When another server starts later
    _later(monkeypatch, 4 * 60_000)
    with opened(database_url), serve(data=str(tmp_path / "other"), database=database_url) as api:
        # Then
        while _codes(database_url):
            api.get("/health")


# Who tries


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": ""},
        {"Origin": "null", "Sec-Fetch-Site": ""},
        {"Origin": "", "Sec-Fetch-Site": "same-site"},
        {"Origin": "", "Sec-Fetch-Site": ""},
    ],
)
def test_no_page_of_another_site_approves(
    browser: Browser, database_url: str, headers: dict[str, str]
) -> None:
    browser.sign_in()
    reply = browser.submit("/cli", {**asking(), "answer": "approve"}, headers)
    assert reply.error == (403, "PERMISSION_DENIED")
    assert _codes(database_url) == 0


def test_following_a_link_approves_nothing(browser: Browser, database_url: str) -> None:
    browser.sign_in()
    reply = browser.get(address() + "&answer=approve", {"Sec-Fetch-Site": "cross-site"})
    assert reply.status == 200
    assert "Approve" in reply.content.decode()
    assert _codes(database_url) == 0


def test_no_other_credential_approves(guarded: Api, database_url: str) -> None:
    # Given a token that lives a day, and a password
    ann = guarded.as_(password=("ann", people.PASSWORD))
    short = ann.post(f"{NATIVE}/tokens", {"name": "short", "days": 1}).ok()["token"]
    browser, own = Browser(guarded), {"Origin": "http://127.0.0.1"}
    pair = base64.b64encode(f"ann:{people.PASSWORD}".encode()).decode()
    for header in (f"Bearer {short}", f"Basic {pair}"):
        for reply in (
            browser.submit("/cli", {**asking(), "answer": "approve"}, {**own, "Authorization": header}),
            browser.get(address(), {"Authorization": header}),
        ):
            # Then it makes no code for one that lives longer
            assert reply.status == 403
            assert "Sign in in the browser" in reply.content.decode()
    assert _codes(database_url) == 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1"])
def test_a_forged_host_leads_nowhere_else(guarded: Api, host: str) -> None:
    browser = Browser(guarded, host)
    browser.sign_in()
    reply = approve(browser)
    assert reply.headers["location"].startswith(f"http://127.0.0.1:{PORT}/?code=")
    assert host not in browser.get(address()).headers["content-security-policy"]
    # And where it sends people on is a path
    assert Browser(guarded, host).get(address()).headers["location"].startswith("/login?")


def test_who_guesses_codes_has_to_wait(guarded: Api, browser: Browser, database_url: str) -> None:
    for i in range(60):
        assert exchange(guarded, f"ryc_{i:043}").status == 401
    reply = exchange(guarded, f"ryc_{60:043}")
    assert reply.error == (429, "REQUEST_LIMIT_EXCEEDED")
    assert int(reply.headers["retry-after"]) <= 60
    assert events(database_url) == []
