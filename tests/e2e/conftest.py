from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.chromium import Chromium, program

Open = Callable[..., Chromium]


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Open]:
    """Opens browsers, and closes them with the test."""
    if program() is None:
        pytest.skip("there is no Chromium")
    opened: list[Chromium] = []

    def begin(hosts: str = "") -> Chromium:
        browser = Chromium(tmp_path / f"profile{len(opened)}", hosts)
        opened.append(browser)
        return browser

    yield begin
    for browser in opened:
        browser.end()
