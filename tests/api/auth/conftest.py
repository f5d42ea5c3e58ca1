"""The fixtures `team` (see `tests.api.auth.team`), `guarded` and `browser`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.auth import people
from tests.api.auth.browser import Browser
from tests.api.auth.team import Team, serve_team
from tests.api.conftest import Api, serve


@pytest.fixture
def team(database_url: str, tmp_path: Path) -> Iterator[Team]:
    """A started server with a team: once on each system."""
    with serve_team(database_url, str(tmp_path)) as started:
        yield started


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A started server with the administrator `ann` and the user `bob`: once on each system."""
    people.add(database_url, "ann", admin=True)
    people.add(database_url, "bob")
    with serve(data=str(tmp_path), database=database_url) as started:
        yield started


@pytest.fixture
def browser(guarded: Api) -> Browser:
    """A visitor of the guarded server."""
    return Browser(guarded)
