"""Servers that people sign in to, and what their pages look like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
from tests.api.auth import people
from tests.e2e.addresses import free_port
from tests.e2e.chromium import Chromium
from tests.oidc.provider import CLIENT_ID, SECRET, OidcProvider
from tests.server.process import Process


def add_ann(tmp_path: Path) -> None:
    """A data folder with the administrator `ann`."""
    folder = tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder / 'runyard.db'}"
    upgrade(open_dialect(url))
    people.add(url, "ann", admin=True)


@contextmanager
def provided(tmp_path: Path) -> Iterator[tuple[Process, OidcProvider, str]]:
    """A server with the user `ann`, its provider, and the server's address for people."""
    add_ann(tmp_path)
    port = free_port()
    home = f"http://localhost:{port}"
    provider = OidcProvider(tmp_path, f"{home}/login/oidc/callback")
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
        yield process, provider, home
    finally:
        process.end()
        provider.end()


def picture(browser: Chromium, name: str) -> None:
    """Keep what the page looks like, for whoever asks for it."""
    folder = os.environ.get("RUNYARD_TEST_PICTURES")
    if folder:
        for dark in (False, True):
            browser.looks(dark=dark)
            browser.picture(Path(folder) / f"{name}-{'dark' if dark else 'light'}.png")
        browser.looks(width=360, height=640)
        browser.picture(Path(folder) / f"{name}-small.png")
