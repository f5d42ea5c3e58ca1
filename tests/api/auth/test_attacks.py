"""Attacks on the ways in. Each has a clear outcome."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest

from runyard.server.auth.service import passwords
from runyard.server.kernel import clock
from tests.api.auth import people
from tests.api.auth.browser import SESSION, Browser
from tests.api.auth.door import HERE, NATIVE, THERE, Try, answers, attempt, work
from tests.api.auth.people import PASSWORD
from tests.api.conftest import Api, Reply, serve

__all__ = ["work"]

EVIL = "http://evil.example"
BASIC = {"Authorization": "Basic YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="}
CREATE = "/api/2.0/mlflow/experiments/create"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
FETCH = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": EVIL}
# A browser that knows no Sec-Fetch, or one on a connection without https, which sends none.
PLAIN = {"Origin": EVIL}


def _names(api: Api) -> list[str]:
    found = api.request(
        "POST", "/api/2.0/mlflow/experiments/search", {"max_results": 100}, headers=BASIC
    ).ok()
    return [experiment["name"] for experiment in found["experiments"]]


# Requests that other sites make a visitor's browser send


@pytest.mark.parametrize("marks", [FETCH, PLAIN, {"Origin": "null"}, LINK], ids=str)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_another_site_changes_nothing_by_a_session(
    guarded: Api, browser: Browser, marks: dict[str, str], kind: str
) -> None:
    browser.sign_in()
    sent = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}", "Content-Type": kind, **marks}
    reply = guarded.request("POST", CREATE, content=b'{"name": "x"}', headers=sent)
    assert reply.error == (403, "PERMISSION_DENIED")
    assert _names(guarded) == ["Default"]


@pytest.mark.parametrize("marks", [FETCH, PLAIN, {"Origin": "null"}, LINK], ids=str)
def test_another_site_changes_nothing_by_a_password_that_the_browser_adds(
    guarded: Api, marks: dict[str, str]
) -> None:
    sent = {**BASIC, "Content-Type": "application/json", **marks}
    reply = guarded.request("POST", CREATE, content=b'{"name": "x"}', headers=sent)
    assert reply.error == (403, "PERMISSION_DENIED")
    assert _names(guarded) == ["Default"]


def test_no_browser_is_asked_for_a_password_that_it_would_add(guarded: Api) -> None:
    reply = guarded.get(NATIVE)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_a_session_without_any_mark_changes_nothing(guarded: Api, browser: Browser) -> None:
    browser.sign_in()
    reply = guarded.request(
        "POST", CREATE, {"name": "x"}, headers={"Cookie": f"{SESSION}={browser.cookies[SESSION]}"}
    )
    assert reply.error == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("marks", [FETCH, PLAIN, {"Origin": "null"}, LINK, {}], ids=str)
def test_another_site_signs_nobody_in(guarded: Api, marks: dict[str, str]) -> None:
    form = urlencode({"name": "bob", "password": PASSWORD}).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", **marks}
    reply = guarded.request("POST", "/login", content=form, headers=sent)
    assert reply.status == 403
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("marks", [FETCH, PLAIN, LINK, {}], ids=str)
def test_another_site_signs_nobody_out(guarded: Api, browser: Browser, marks: dict[str, str]) -> None:
    browser.sign_in()
    sent = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}", **marks}
    reply = guarded.request("POST", "/logout", content=b"", headers=sent)
    assert reply.status == 403
    assert browser.whoami() == "ann"


def test_a_link_from_another_site_is_followed(browser: Browser) -> None:
    browser.sign_in()
    assert browser.get("/", LINK).status == 200


def test_no_other_site_reads_anything(guarded: Api, browser: Browser) -> None:
    browser.sign_in()
    session = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}"}
    for marks in (FETCH, PLAIN, LINK, {}):
        for path in (NATIVE, "/", "/login", "/health", CREATE, "/nowhere"):
            reply = guarded.request("GET", path, headers={**session, **marks})
            allowed = [name for name in reply.headers if name.startswith("access-control")]
            assert allowed == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("path", [CREATE, NATIVE, "/login", "/"])
def test_no_other_site_gets_leave_beforehand(guarded: Api, path: str, method: str) -> None:
    asked = {
        "Origin": EVIL,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,x-mlflow-workspace",
    }
    for marks in ({}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}):
        reply = guarded.request("OPTIONS", path, headers={**asked, **marks})
        assert reply.status == 403
        assert [name for name in reply.headers if name.startswith("access-control")] == []


# A server without login


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_without_login_a_form_of_another_site_changes_nothing(api: Api, kind: str) -> None:
    reply = api.request("POST", CREATE, content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert reply.error == (415, "BAD_REQUEST")


@pytest.mark.parametrize("marks", [FETCH, PLAIN, {"Origin": "null"}, LINK], ids=str)
def test_without_login_another_site_changes_nothing(api: Api, marks: dict[str, str]) -> None:
    run = api.run()
    for method, path in (
        ("POST", CREATE),
        ("POST", f"/api/2.0/mlflow/upload-artifact?run_uuid={run}&path=x"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/default/x"),
    ):
        reply = api.request(method, path, content=b'{"name": "x"}', headers=marks)
        assert reply.error == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "0.0.0.0"]
)
def test_without_login_only_names_of_this_machine_are_answered(api: Api, host: str) -> None:
    for path in ("/", "/login", NATIVE, "/health"):
        assert api.request("GET", path, headers={"Host": host}).error == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via"]
)
def test_without_login_nothing_comes_through_a_proxy(api: Api, name: str) -> None:
    assert api.request("GET", NATIVE, headers={name: "127.0.0.1"}).error == (403, "PERMISSION_DENIED")


def test_a_server_for_other_machines_never_opens_without_login(database_url: str, tmp_path: Path) -> None:
    """As when its last user is deleted and a worker starts anew."""
    with serve(data=str(tmp_path), database=database_url, host="0.0.0.0") as started:
        for path in (NATIVE, "/api/2.0/mlflow/experiments/get?experiment_id=0"):
            assert started.request("GET", path, headers={"Host": "127.0.0.1"}).status == 401
        assert Browser(started).get("/").headers["location"] == "/login"


# Names of hosts and workspaces


def test_no_address_is_made_of_the_hosts_name(guarded: Api) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}):
        visitor = Browser(guarded, headers.get("Host", "127.0.0.1"))
        for reply in (
            visitor.get("/", headers),
            visitor.get("/login", headers),
            visitor.sign_in(),
            visitor.submit("/logout", {}),
        ):
            assert reply.headers.get("location", "/").startswith("/")
            assert b"evil.example" not in reply.content


@pytest.mark.parametrize(
    ("path", "header"),
    [
        (f"/w/default{NATIVE}", "other"),
        (f"/w/other{NATIVE}", "default"),
        (f"/w/default{NATIVE}", "DEFAULT"),
        (f"/w/default%2F..%2Fother{NATIVE}", "other"),
    ],
)
def test_two_workspaces_in_one_request_are_refused(guarded: Api, path: str, header: str) -> None:
    sent = {**BASIC, "X-MLFLOW-WORKSPACE": header}
    assert guarded.request("GET", path, headers=sent).error == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("path", ["/w//w/default", "//w/default", "/w/default/w/default", "/W/default"])
def test_a_prefix_in_disguise_is_none(guarded: Api, path: str) -> None:
    reply = guarded.request("GET", path + NATIVE, headers=BASIC)
    assert reply.status in (400, 404)


# Redirects and sessions


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "@evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/" + "x" * 3000,
        "",
    ],
)
def test_a_sign_in_leads_to_no_other_site(browser: Browser, goal: str) -> None:
    page = browser.get(f"/login?{urlencode({'next': goal})}").content.decode()
    assert 'name="next" value="/"' in page
    reply = browser.sign_in(goal=goal)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    # And neither does a visit of whoever is signed in
    assert browser.get(f"/login?{urlencode({'next': goal})}").headers["location"] == "/"


@pytest.mark.parametrize("goal", ["/", "/w/default/experiments/1?a=b&c=d", "/a//b", "/ä", "/x?next=//y"])
def test_a_sign_in_leads_where_it_should(browser: Browser, goal: str) -> None:
    reply = browser.sign_in(goal=goal)
    assert reply.headers["location"] == goal.replace("ä", "%C3%A4")


def test_nobody_can_be_given_a_session(guarded: Api, browser: Browser) -> None:
    # Given a session that an attacker knows: one of their own, and one that they made up
    attacker = Browser(guarded)
    attacker.sign_in("bob")
    for known in (attacker.cookies[SESSION], "rys_" + "x" * 43):
        browser.cookies[SESSION] = known
        # When the victim signs in with it
        browser.sign_in("ann")
        # Then the session is a new one, and the known one is over
        assert browser.cookies[SESSION] != known
        assert browser.whoami() == "ann"
        attacker.cookies[SESSION] = known
        assert attacker.whoami() is None


def test_each_sign_in_makes_a_session_of_its_own(guarded: Api) -> None:
    first, second = Browser(guarded), Browser(guarded)
    first.sign_in()
    second.sign_in()
    assert first.cookies[SESSION] != second.cookies[SESSION]
    first.submit("/logout", {})
    assert second.whoami() == "ann"


@pytest.mark.parametrize("session", ["", "rys_", "rys_x", "ryp_x", "x" * 5000, "rys_\x00", "rys_%00"])
def test_a_session_that_is_none_is_none(browser: Browser, session: str) -> None:
    browser.cookies[SESSION] = session
    assert browser.get("/").headers["location"] == "/login"
    assert browser.get(NATIVE).status == 401


# Names and passwords


def test_an_unknown_name_costs_and_says_what_a_wrong_password_does(
    guarded: Api, database_url: str, work: list[str]
) -> None:
    # Given users of all kinds
    people.add(database_url, "robot", kind=people.SERVICE)
    people.add(database_url, "elsewhere", None, external_id="https://login.example.org|1")
    people.add(database_url, "gone")
    people.disable(database_url, "gone")
    told: set[tuple[int, bytes]] = set()
    for form in (False, True):
        for name in ("ann", "nobody", "elsewhere", "gone", "x" * 5000, "a\x00b", "🐎", " ann"):
            work.clear()
            # When
            status, body = answers(guarded, [Try(name, "wrong password", form=form)])[0]
            # Then each costs one comparison, if it isn't refused as no name at all
            assert (status, len(work)) in ((401, 1), (401, 0 if "\x00" in name and not form else 1)), name
            body = body.replace(name.encode(), b"NAME").replace(b"autofocus", b"")
            told.add((status, body[:100] if not form else b""))
    assert {status for status, _ in told} == {401}


def test_the_right_password_of_who_may_not_sign_in_is_wrong(guarded: Api, database_url: str) -> None:
    people.add(database_url, "gone")
    people.disable(database_url, "gone")
    people.add(database_url, "robot", kind=people.SERVICE)
    assert attempt(guarded, [Try("gone", PASSWORD), Try("gone", PASSWORD, form=True)]) == [401, 401]
    assert attempt(guarded, [Try("robot", PASSWORD, form=True)]) == [401]


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_ten_thousand_tries_cost_no_more_than_a_few(
    guarded: Api, work: list[str], form: bool, together: bool
) -> None:
    # When one address tries ten thousand passwords of one name
    tries = [Try("ann", f"password {i}", form=form) for i in range(10_000)]
    statuses = attempt(guarded, tries, together=together)
    # Then it is let try ten of them
    assert (statuses.count(401), statuses.count(429)) == (10, 9_990)
    assert len(work) == passwords.TRIES_OF_PAIR
    # And the right one is refused too, without being looked at
    assert attempt(guarded, [Try("ann", PASSWORD, form=form)]) == [429]
    assert len(work) == passwords.TRIES_OF_PAIR


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller limits, so that they are reached sooner."""
    monkeypatch.setattr(passwords, "TRIES_OF_ADDRESS", 15)
    monkeypatch.setattr(passwords, "TRIES_OF_NAME", 20)


@pytest.mark.usefixtures("strict")
def test_ten_thousand_names_cost_no_more(guarded: Api, work: list[str]) -> None:
    statuses = attempt(guarded, [Try(f"user {i}", "password", form=i % 2 == 0) for i in range(10_000)])
    assert statuses.count(429) == 10_000 - passwords.TRIES_OF_ADDRESS
    assert len(work) == passwords.TRIES_OF_ADDRESS


@pytest.mark.usefixtures("strict")
def test_ten_thousand_addresses_cost_no_more(guarded: Api, work: list[str]) -> None:
    tries = [Try("ann", "password", f"10.0.{i // 250}.{i % 250}") for i in range(2_500)]
    tries += [Try("ann", "password", f"2001:db8:0:1::{i:x}") for i in range(2_500)]
    assert attempt(guarded, tries).count(401) == passwords.TRIES_OF_NAME
    assert len(work) == passwords.TRIES_OF_NAME


def test_a_crowd_at_once_waits_for_no_queue(guarded: Api, work: list[str]) -> None:
    tries = [Try(f"user {i}", "password", f"10.0.{i // 250}.{i % 250}") for i in range(1_000)]
    statuses = attempt(guarded, tries, together=True)
    # As many as may wait, and those that came when a place was free again.
    assert passwords.MAX_WAITING <= statuses.count(401) < 4 * passwords.MAX_WAITING
    assert set(statuses) == {401, 429}
    assert len(work) == statuses.count(401)


@pytest.mark.usefixtures("strict")
def test_nobody_is_locked_out_from_elsewhere(guarded: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given somebody who has signed in from here
    assert attempt(guarded, [Try("ann", PASSWORD, HERE, form=True)]) == [303]
    # When others fail with the name, elsewhere and beside, until nobody may try it any more
    attack = [Try("ann", "wrong", f"10.0.0.{i % 250}") for i in range(500)]
    beside = [Try(f"user {i}", "wrong", HERE) for i in range(100)]
    assert {401, 429} == set(attempt(guarded, [*attack, *beside]))
    assert attempt(guarded, [Try("ann", PASSWORD, THERE)]) == [429]
    # Then from here it goes on, and a wrong password is as wrong as ever
    assert attempt(guarded, [Try("ann", "wrong", HERE), Try("ann", PASSWORD, HERE)]) == [401, 200]
    # And a minute later from everywhere
    later = clock.monotonic() + 61
    monkeypatch.setattr(clock, "monotonic", lambda: later)
    assert attempt(guarded, [Try("ann", PASSWORD, THERE)]) == [200]


def test_the_parts_of_one_program_do_not_limit_each_other(guarded: Api, work: list[str]) -> None:
    assert set(attempt(guarded, [Try("ann", PASSWORD)] * 200, together=True)) == {200}
    assert len(work) == 1


def test_a_limit_says_when_to_try_again(guarded: Api) -> None:
    told = answers(guarded, [Try("ann", f"password {i}", form=True) for i in range(11)])[-1]
    assert told[0] == 429
    assert b"try again in 60 seconds" in told[1]


def _shown(reply: Reply) -> str:
    return reply.content.decode()


def test_what_was_typed_is_shown_as_text(browser: Browser) -> None:
    reply = browser.sign_in('"><script>alert(1)</script>', "wrong password", goal='/"><script>')
    assert reply.status == 401
    assert "<script" not in _shown(reply)
    assert "wrong password" not in _shown(reply)
