"""The form of the start page that makes a personal token."""

from __future__ import annotations

import pytest

from tests.api.auth import people
from tests.api.auth.browser import Browser, problem
from tests.api.auth.oidc import events
from tests.api.auth.team import DAY, NATIVE
from tests.api.conftest import Api

WHOAMI = f"{NATIVE}/whoami"


def test_a_token_is_made_in_the_browser_and_shown_once(
    guarded: Api, browser: Browser, database_url: str
) -> None:
    browser.sign_in("bob")
    assert 'action="/tokens"' in browser.get("/").content.decode()
    # When
    reply = browser.submit("/tokens", {"name": "laptop", "days": "7"})
    # Then
    page = reply.content.decode()
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    secret = page.partition('<code class="whole">')[2].partition("<")[0]
    assert guarded.as_(secret).get(WHOAMI).ok()["credential"] == "personal token laptop"
    for word in (
        "good for 7 days",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_URI=http://127.0.0.1",
        "runyard login",
    ):
        assert word in page
    (made,) = [one for one in guarded.as_(secret).get(f"{NATIVE}/tokens").ok()["items"] if one["name"]]
    assert made["expiry_time"] - made["creation_time"] == 7 * DAY
    assert secret not in browser.get("/").content.decode()
    assert events(database_url)[-1][:3] == ("token.create", "bob", "session")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "", "days": "7"}, "A token needs a name"),
        ({"name": "x", "days": "367"}, "'days' is 1 to 366"),
        ({"name": "x", "days": "many"}, "'days' is a whole number"),
    ],
)
def test_what_makes_no_token_is_told(browser: Browser, given: dict[str, str], told: str) -> None:
    browser.sign_in()
    reply = browser.submit("/tokens", given)
    assert reply.status == 400
    assert told in problem(reply)
    assert browser.get(f"{NATIVE}/tokens").ok()["items"][1:] == []


def test_nobody_else_makes_one_for_somebody(guarded: Api, browser: Browser) -> None:
    form = {"name": "x", "days": "7"}
    assert browser.submit("/tokens", form).headers["location"] == "/"
    browser.sign_in()
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.submit("/tokens", form, foreign).status == 403
    assert browser.submit("/tokens", form, {"Origin": "", "Sec-Fetch-Site": ""}).status == 403
    assert browser.get(f"{NATIVE}/tokens").ok()["items"][1:] == []


def test_a_token_makes_no_longer_one_through_the_form(guarded: Api) -> None:
    ann = guarded.as_(password=("ann", people.PASSWORD))
    short = ann.post(f"{NATIVE}/tokens", {"name": "short", "days": 1}).ok()["token"]
    reply = Browser(guarded).submit(
        "/tokens", {"name": "x", "days": "7"}, {"Authorization": f"Bearer {short}"}
    )
    assert reply.status == 403
    assert "runyard login --days N" in problem(reply)
