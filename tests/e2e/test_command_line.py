"""`runyard login` through a real browser: with a password, at a provider, and with a code carried by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.api.auth import people
from tests.cli.process import Called
from tests.cli.visitor import address_in
from tests.e2e.chromium import Chromium
from tests.e2e.conftest import Open
from tests.e2e.servers import add_ann, picture, provided
from tests.server.process import Process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    """A server with the user `ann`."""
    add_ann(tmp_path)
    process = Process(tmp_path / "server.log", "--data", str(tmp_path / "data"))
    process.wait_until_it_answers()
    yield process
    process.end()


@pytest.fixture
def laptop(tmp_path: Path) -> Mapping[str, str | None]:
    """A machine whose browser is opened by the test."""
    foreign = [name for name in os.environ if name.startswith(("RUNYARD_", "MLFLOW_"))]
    return {
        **dict.fromkeys(foreign),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "BROWSER": "true %s",
    }


def _open(called: Called, browser: Chromium) -> None:
    """Open the address that the command shows."""
    called.wait_for("/cli?")
    called.wait_for("\n")
    browser.go(address_in(called.shown))


def _sign_in(browser: Chromium) -> None:
    browser.fill({"name": "ann", "password": people.PASSWORD})
    browser.submit()


def test_with_a_password(server: Process, browse: Open, laptop: Mapping[str, str | None]) -> None:
    browser = browse()
    with Called("login", server.url, "--browser", environment=laptop) as called:
        # Given somebody who isn't signed in
        _open(called, browser)
        assert browser.address.startswith(f"{server.url}/login?next=")
        _sign_in(browser)
        # When they are back at the page that asks
        assert "It will act as\nann, an administrator" in browser.text
        picture(browser, "cli")
        browser.click("[value=approve]")
        # Then
        assert browser.address.startswith("http://127.0.0.1:")
        assert "Approved" in browser.text
        picture(browser, "cli-approved")
        assert called.end() == 0
    assert f"Signed in to {server.url} as ann" in called.shown
    assert browser.complaints() == []
    # And a browser that is signed in is asked at once
    with Called("login", server.url, "--browser", environment=laptop) as called:
        _open(called, browser)
        browser.click("[value=deny]")
        assert "Denied" in browser.text
        assert called.end() == 3
    assert browser.complaints() == []


def test_with_a_code(server: Process, browse: Open, laptop: Mapping[str, str | None]) -> None:
    browser = browse()
    with Called("login", server.url, "--no-browser", environment=laptop, terminal=True) as called:
        _open(called, browser)
        _sign_in(browser)
        browser.click("[value=approve]")
        picture(browser, "cli-code")
        code = browser.evaluate("document.querySelector('.whole').innerText")
        called.type(f"{code}\n")
        assert called.end() == 0
    assert "as ann" in called.shown
    # And who denies it is told how it ends
    address = address_in(called.shown)
    browser.go(address)
    browser.click("[value=deny]")
    assert "No token was made" in browser.text
    picture(browser, "cli-denied")
    browser.go(address.replace("challenge", "challange"))
    assert "isn't one that `runyard login` writes" in browser.text
    assert browser.complaints() == []


def test_at_a_provider(browse: Open, tmp_path: Path, laptop: Mapping[str, str | None]) -> None:
    with provided(tmp_path) as (process, provider, home):
        provider.tell("eve", preferred_username="eve", groups=["ops"])
        browser = browse()
        # Given somebody who has no password, and is asked for a name
        with Called("login", home, environment=laptop, terminal=True) as called:
            called.wait_for("Enter alone to sign in in the browser")
            called.type("\n")
            # When
            _open(called, browser)
            browser.click(".button")
            browser.fill({"login": "eve", "password": "any"})
            browser.submit()
            browser.click("[type=submit]")
            # Then they are back at the page that asks
            assert browser.address.startswith(f"{home}/cli?")
            assert "It will act as\neve, an administrator" in browser.text
            browser.click("[value=approve]")
            assert called.end() == 0
        assert f"Signed in to {home} as eve" in called.shown
        assert browser.complaints() == []
    assert "ryc_" not in process.log.read_text()


def test_a_token_is_made_on_the_start_page(server: Process, browse: Open) -> None:
    browser = browse()
    browser.go(f"{server.url}/login")
    _sign_in(browser)
    picture(browser, "home")
    browser.fill({"name": "laptop"})
    browser.submit()
    assert "Your new token" in browser.text
    assert browser.evaluate("document.querySelector('.whole').innerText").startswith("ryp_")
    picture(browser, "token")
    browser.click("nav a")
    assert "ryp_" not in browser.text
    assert browser.complaints() == []
