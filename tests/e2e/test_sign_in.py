"""People sign in and out with a real browser, by keyboard, over http and at a provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.auth import people
from tests.e2e.conftest import Open
from tests.e2e.servers import add_ann, picture, provided
from tests.oidc.provider import SECRET
from tests.server.process import Process

# Not of this machine by its name: a browser sends no Sec-Fetch headers there without https, but Origin.
FOREIGN = "ml.example.org"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    """A server with the user `ann`."""
    add_ann(tmp_path)
    process = Process(tmp_path / "server.log", "--data", str(tmp_path / "data"), "--host", "0.0.0.0")
    process.wait_until_it_answers()
    yield process
    process.end()


@pytest.mark.parametrize("host", ["127.0.0.1", FOREIGN])
def test_somebody_signs_in_and_out(server: Process, browse: Open, host: str) -> None:
    # Given a browser that knows nothing
    browser = browse(f"MAP {FOREIGN} 127.0.0.1")
    home = f"http://{host}:{urlsplit(server.url).port}"
    browser.go(f"{home}/")
    assert browser.address == f"{home}/login"
    picture(browser, "sign-in")
    # When the password is wrong, then it is told
    browser.fill({"name": "ann", "password": "wrong password"})
    browser.submit()
    assert "The name or the password is wrong." in browser.text
    browser.drawn()
    assert browser.evaluate("document.activeElement.name") == "password"
    assert browser.evaluate("document.querySelector('[name=name]').value") == "ann"
    picture(browser, "wrong")
    # When it is right
    browser.fill({"password": people.PASSWORD})
    browser.submit()
    # Then
    assert browser.address == f"{home}/"
    assert "You are signed in as ann" in browser.text
    assert browser.evaluate("document.cookie") == ""
    picture(browser, "home")
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


def test_somebody_signs_in_at_a_provider(browse: Open, tmp_path: Path) -> None:
    with provided(tmp_path) as (process, provider, home):
        provider.tell("eve", preferred_username="eve", groups=["ops"])
        browser = browse()
        # When
        browser.go(f"{home}/login")
        picture(browser, "provider")
        browser.click(".button")
        assert browser.address.startswith(f"{provider.issuer}/interaction/")
        browser.fill({"login": "eve", "password": "any"})
        browser.submit()
        browser.click("[type=submit]")
        # Then
        assert browser.address == f"{home}/"
        assert "You are signed in as eve, an administrator" in browser.text
    log = process.log.read_text()
    assert SECRET not in log
    assert "WARNING" not in log
