"""People sign in and out with a real browser, by keyboard, over http and at a provider."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
from tests.api.auth import people
from tests.e2e.addresses import free_port
from tests.e2e.chromium import Chromium
from tests.e2e.conftest import Open
from tests.oidc.provider import CLIENT_ID, SECRET, OidcProvider
from tests.server.process import Process

# Not of this machine by its name: a browser sends no Sec-Fetch headers there without https, but Origin.
FOREIGN = "ml.example.org"


def _database(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder / 'runyard.db'}"
    upgrade(open_dialect(url))
    people.add(url, "ann", admin=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    """A server with the user `ann`."""
    _database(tmp_path)
    process = Process(tmp_path / "server.log", "--data", str(tmp_path / "data"), "--host", "0.0.0.0")
    process.wait_until_it_answers()
    yield process
    process.end()


def _picture(browser: Chromium, name: str) -> None:
    """Keep what the page looks like, for whoever asks for it."""
    folder = os.environ.get("RUNYARD_TEST_PICTURES")
    if folder:
        for dark in (False, True):
            browser.looks(dark=dark)
            browser.picture(Path(folder) / f"{name}-{'dark' if dark else 'light'}.png")
        browser.looks(width=360, height=640)
        browser.picture(Path(folder) / f"{name}-small.png")


@pytest.mark.parametrize("host", ["127.0.0.1", FOREIGN])
def test_somebody_signs_in_and_out(server: Process, browse: Open, host: str) -> None:
    # Given a browser that knows nothing
    browser = browse(f"MAP {FOREIGN} 127.0.0.1")
    home = f"http://{host}:{urlsplit(server.url).port}"
    browser.go(f"{home}/")
    assert browser.address == f"{home}/login"
    _picture(browser, "sign-in")
    # When the password is wrong, then it is told
    browser.fill({"name": "ann", "password": "wrong password"})
    browser.submit()
    assert "The name or the password is wrong." in browser.text
    browser.drawn()
    assert browser.evaluate("document.activeElement.name") == "password"
    assert browser.evaluate("document.querySelector('[name=name]').value") == "ann"
    _picture(browser, "wrong")
    # When it is right
    browser.fill({"password": people.PASSWORD})
    browser.submit()
    # Then
    assert browser.address == f"{home}/"
    assert "You are signed in as ann" in browser.text
    assert browser.evaluate("document.cookie") == ""
    _picture(browser, "home")
    # When the keyboard alone signs out
    browser.press("Tab", 9)
    assert browser.evaluate("document.activeElement.innerText") == "Sign out"
    browser.submit()
    # Then
    assert browser.address == f"{home}/login"
    browser.go(f"{home}/")
    assert browser.address == f"{home}/login"
    assert browser.complaints() == []


def test_a_page_of_another_site_does_nothing(server: Process, browse: Open) -> None:
    # Given somebody who is signed in
    browser = browse(f"MAP {FOREIGN} 127.0.0.1")
    port = urlsplit(server.url).port
    browser.go(f"http://127.0.0.1:{port}/login")
    browser.fill({"name": "ann", "password": people.PASSWORD})
    browser.submit()
    # When a page of another site sends forms to the server
    browser.send("Page.setBypassCSP", enabled=True)
    browser.go(f"http://{FOREIGN}:{port}/login")
    browser.evaluate(f"document.querySelector('form').action = 'http://127.0.0.1:{port}/logout'")
    browser.fill({"name": "x", "password": "x"})
    browser.submit()
    # Then nothing comes of it
    assert "takes no requests from the pages of other sites" in browser.text
    browser.go(f"http://127.0.0.1:{port}/")
    assert "You are signed in as ann" in browser.text


def test_somebody_signs_in_at_a_provider(
    browse: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a server and its provider
    _database(tmp_path)
    port = free_port()
    home = f"http://localhost:{port}"
    provider = OidcProvider(tmp_path, f"{home}/login/oidc/callback")
    provider.tell("eve", preferred_username="eve", groups=["ops"])
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    options = {
        "--data": str(tmp_path / "data"),
        "--port": str(port),
        "--public-url": home,
        "--oidc-issuer": provider.issuer,
        "--oidc-client-id": CLIENT_ID,
        "--oidc-client-secret-file": str(secret),
        "--oidc-scopes": "openid profile groups",
        "--oidc-roles": '{"ops": "admin"}',
    }
    process = Process(tmp_path / "server.log", *(part for option in options.items() for part in option))
    process.wait_until_it_answers()
    try:
        browser = browse()
        # When
        browser.go(f"{home}/login")
        _picture(browser, "provider")
        browser.click(".button")
        assert browser.address.startswith(f"{provider.issuer}/interaction/")
        browser.fill({"login": "eve", "password": "any"})
        browser.submit()
        browser.click("[type=submit]")
        # Then
        assert browser.address == f"{home}/"
        assert "You are signed in as eve, an administrator" in browser.text
    finally:
        process.end()
        provider.end()
    log = process.log.read_text()
    assert SECRET not in log
    assert "WARNING" not in log
